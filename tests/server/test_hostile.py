"""Files made to harm: bombs, disguises, formats that must not be reached, names that lead elsewhere."""

import io
import struct
import zipfile
import zlib

import pytest

from nlcunet.imaging.files import read_header
from nlcunet.server.intake import clean_name

from .conftest import form, picture_bytes


def png_of(width, height, rows=b""):
    """A PNG that claims a size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>&x;</text></svg>"""
OTHER_LOADERS = {
    "svg": SVG,
    "svg without a head": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/"/></svg>',
    "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj",
    "postscript": b"%!PS-Adobe-3.0\n(/etc/passwd) (r) file",
    "imagemagick script": b"push graphic-context\nfill 'url(https://127.0.0.1/)'\npop graphic-context",
    "msl": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
    "gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "bmp": b"BM" + bytes(60),
    "fits": b"SIMPLE  =                    T" + bytes(2850),
    "matlab": b"MATLAB 5.0 MAT-file" + bytes(200),
    "openslide": b"Aperio Image Library" + bytes(100),
    "vips": b"\xb6\xa6\xf2\x08" + bytes(60),
    "csv": b"1,2,3\n4,5,6\n",
    "ppm": b"P6\n1 1\n255\nabc",
    "radiance": b"#?RADIANCE\n",
    "exr": b"v/1\x01" + bytes(60),
    "nifti": bytes(344) + b"n+1\x00",
    "zip": b"PK\x03\x04" + bytes(100),
    "html": b"<!doctype html><script>alert(1)</script>",
    "nothing": b"\x00",
}


@pytest.mark.parametrize("name", OTHER_LOADERS)
@pytest.mark.parametrize("ending", ["png", "own"])
def test_other_formats_never_reach_a_loader(client, name, ending):
    answer = client.post("/v1/upscale", files=form(OTHER_LOADERS[name], f"a.{ending}"))
    assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")
    assert "passwd" not in answer.text


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (50_000, 1_001)])
def test_a_picture_that_claims_too_much_is_refused_by_its_header(client, size):
    answer = client.post("/v1/upscale", files=form(png_of(*size)))
    assert answer.status_code in {413, 415}
    assert answer.json()["error"] in {"too_many_pixels", "not_a_picture"}


def test_a_bomb_is_refused_before_it_is_decoded(client):
    bomb = png_of(30_000, 30_000, bytes(90_000_000))
    assert len(bomb) < 100_000
    answer = client.post("/v1/upscale", files=form(bomb))
    assert (answer.status_code, answer.json()["error"]) == (413, "too_many_pixels")


def test_a_picture_that_ends_early_fails_and_tells_why(client):
    answer = client.post("/v1/upscale", files=form(picture_bytes(64, 64)[:4000], "cut.png"))
    assert (answer.status_code, answer.json()["error"]) == (422, "failed")
    assert answer.json()["detail"].startswith("cut.png must be a whole file")


def test_a_file_that_is_two_things_is_answered_as_a_picture_only(client):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.html", "<script>alert(1)</script>")
    for tail in (archive.getvalue(), b"<html><script>alert(1)</script></html>"):
        answer = client.post("/v1/upscale", files=form(picture_bytes() + tail, "both.html"))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert tail not in answer.content
        assert read_header(answer.content).width == 32


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/absolute/photo.png", "photo.png"),
        ("..", "picture"),
        ("", "picture"),
        (".", "picture"),
        ("a\x00b\r\nSet-Cookie: x.png", "a_b_Set-Cookie_ x.png"),
        ('quo"te<script>.png', "quo_te_script_.png"),
        ("фото 写真.jpg", "фото 写真.jpg"),
        ("x" * 300 + ".png", "x" * 120),
        ("C:evil.png", "C_evil.png"),
    ],
)
def test_names_lead_nowhere(client, sent, kept):
    assert clean_name(sent) == kept
    job = client.post("/v1/upscale", content=picture_bytes(), params={"wait": "0", "name": sent[:120]})
    assert job.status_code == 202
    assert job.json()["name"] == clean_name(sent[:120])


def test_ids_lead_nowhere(client):
    for name in ("..", "%2e%2e", "..%2f..%2fjobs.sqlite", "a/../../x", "x" * 5000, "'; DROP TABLE jobs; --"):
        answer = client.get(f"/v1/jobs/{name}")
        assert answer.status_code in {404, 405}
        assert answer.json()["error"] in {"no_such_job", "not_found"}
    assert client.get("/v1/jobs").status_code == 200


def test_forms_made_to_harm_are_refused(client):
    many = {f"field{number}": "x" for number in range(100)}
    assert client.post("/v1/upscale", files=form(), data=many).status_code == 400
    assert client.post("/v1/upscale", files=form(), data={"model": "x" * 10_000}).status_code == 400
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (
        b"",
        b"--x",
        b"--x\r\n\r\n\r\n",
        b"garbage" * 100,
        b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--",
    ):
        assert client.post("/v1/upscale", content=body, headers=headers).status_code in {400, 422}
    assert client.post("/v1/upscale", content=b"x", headers={"Content-Type": "multipart/form-data"}).status_code == 400
