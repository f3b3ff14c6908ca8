"""The page without a browser: what it answers, to whom, and that Gradio gives nothing away beside it."""

import io
import itertools
import json
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from nlcunet.errors import ConfigError
from nlcunet.imaging.files import Metadata, Picture, encode_picture, readable_formats, writable_formats
from nlcunet.imaging.pyramid import TILE_PX
from nlcunet.inference.quality import QUALITIES
from nlcunet.inference.sizes import WRAPS
from nlcunet.inspection.blur import BlurEstimate
from nlcunet.inspection.jpeg_tables import JpegCompression
from nlcunet.inspection.reading import read
from nlcunet.models.weights import save_weights
from nlcunet.server.app import make_app
from nlcunet.server.keys import PASS_SECONDS, Keys, Passes, add_key, hash_key, read_secret
from nlcunet.server.page import zips
from nlcunet.server.page.readings import traits_of
from nlcunet.server.page.routes import result_name
from nlcunet.server.page.shell import FILES, find_facts
from nlcunet.server.page.zips import Zip, ZipMember, unique_names
from nlcunet.server.refusals import RefusedError
from nlcunet.server.service import Service
from nlcunet.server.settings import ServerSettings

from .conftest import form, picture_bytes

EXAMPLE = Path(__file__).parents[2] / "examples" / "anhinga.png"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A client of a server that has the page: one for nearly all tests, as Gradio takes a while to start."""
    settings = ServerSettings(
        folder=tmp_path_factory.mktemp("served"),
        models=("bicubic-x2", "bicubic-x4"),
        default_model="bicubic-x2",
        device="cpu",
        grace_seconds=5.0,
    )
    with TestClient(make_app(settings), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def send(client, data=None, name="photo.png", **order):
    """A picture, sent as the page does it."""
    return client.post("/page/pictures", params={"name": name, **order}, content=data or picture_bytes())


def ask(client, *ids):
    answer = client.post("/page/jobs", json={"ids": ids})
    assert answer.status_code == 200, answer.text
    return answer.json()


def finish(client, job_id):
    """The facts of a job that has ended."""
    for _ in range(500):
        (job,) = ask(client, job_id)["jobs"]
        if job["state"] not in {"queued", "running"}:
            return job
        time.sleep(0.02)
    raise AssertionError(f"still {job}")


def enlarge(client, data=None, name="photo.png", **order):
    answer = send(client, data, name, **order)
    assert answer.status_code == 202, answer.text
    job = finish(client, answer.json()["id"])
    assert job["state"] == "done", job
    return job


# the shell


def test_the_page_stands_at_the_root_and_rest_beside_it(page):
    shell = page.get("/")
    assert (shell.status_code, shell.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Drop photographs here" in shell.text
    assert page.get("/v1/models").json()[0]["name"] == "bicubic-x2"
    assert page.get("/healthz").json() == {"status": "ok", "problems": []}
    assert page.post("/v1/upscale", files=form()).status_code == 200
    assert not [path for path in page.get("/openapi.json").json()["paths"] if "page" in path or path == "/"]


def test_a_server_without_a_page_has_none(client):
    assert client.get("/").status_code == 404
    assert client.post("/page/jobs", json={"ids": []}).status_code == 404


def test_nothing_on_the_page_may_come_from_another_host(page):
    shell = page.get("/")
    rules = dict(rule.strip().split(" ", 1) for rule in shell.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert all("http" not in allowed and "*" not in allowed for allowed in rules.values())
    assert rules["frame-ancestors"] == "'none'"
    assert not any("unsafe" in allowed for allowed in rules.values())
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))|<style| on[a-z]+=|https?://", shell.text) == []
    assert page.head("/").status_code == 200
    for path in ("/config", "/static/page.js", "/page/files/", "/page/files/page.html"):
        assert page.get(path).json()["error"] == "not_found"


def test_the_files_of_the_page_are_served_and_no_others(page):
    for name, kind in {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}.items():
        answer = page.get(f"/page/files/{name}")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
    assert page.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    for name in ("page.html", "..%2f__init__.py", "__init__.py"):
        assert page.get(f"/page/files/{name}").status_code == 404


def test_colours_keep_the_contrast_that_wcag_aa_asks_for():
    """Text 4.5 : 1, edges of what can be used and the focus 3 : 1, in light and in dark."""
    style = (FILES / "page.css").read_text(encoding="utf-8")
    found = re.findall(r"--nlc-([a-z-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\);", style)
    light, dark = ({name: pair[scheme] for name, *pair in found} for scheme in (0, 1))
    assert len(light) > 10
    for colours in (light, dark):
        for text, ground in itertools.product(("text", "quiet"), ("ground", "panel", "field")):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for text, ground in (("accent-text", "accent"), ("bad", "bad-ground"), ("bad", "panel"), ("text", "hover")):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for edge, ground in itertools.product(("edge", "focus"), ("ground", "panel")):
            assert contrast(colours[edge], colours[ground]) >= 3, (edge, ground)


def contrast(first, second):
    """WCAG 2.2, contrast ratio."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def shown_sliders(settings):
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        page = client.get("/").text
    fields = dict(re.findall(r'<div id="nlc-(strength|denoise)" class="nlc-field" (hidden)?>', page))
    assert fields.keys() == {"strength", "denoise"}
    return {name for name, hidden in fields.items() if not hidden}


def test_what_the_page_offers_is_what_the_server_has(page):
    shell = page.get("/").text
    found = re.search(r'<script id="nlc-facts" type="application/json">(.*)</script>', shell)
    facts = json.loads(found[1])
    options = {name: set(re.findall(r'value="([^"]+)"', text)) for name, text in SELECTS.findall(shell)}
    assert options["model"] == set(facts["models"]) == {"bicubic-x2", "bicubic-x4"}
    assert options["format"] == set(writable_formats())
    assert options["wrap"] == set(WRAPS)
    assert len(facts["formats"]) == len(readable_formats())
    assert set(re.findall(r'name="quality" value="([a-z]+)"', shell)) == set(QUALITIES)
    assert "$" not in shell


SELECTS = re.compile(r'<select id="nlc-[a-z]+" name="([a-z]+)".*?>(.*?)</select>', re.DOTALL)


def test_controls_without_weights_behind_them_are_not_shown(make_settings):
    assert shown_sliders(make_settings(has_page=True)) == set()
    clean = "2x-NLCUnet-S"
    assert shown_sliders(make_settings(has_page=True, models=(clean,), default_model=clean)) == set()
    assert shown_sliders(make_settings(has_page=True, models=(), default_model=clean)) == {"denoise", "strength"}


def test_strength_is_offered_where_both_weights_are(tiny, make_settings, tmp_path):
    tiny_gan = replace(
        tiny, header=tiny.header.model_copy(update={"name": "2x-tiny-GAN", "fidelity_weights": "2x-tiny"})
    )
    for model in (tiny, tiny_gan):
        save_weights(tmp_path / f"{model.header.name}.safetensors", model.network, model.header)
    models = (str(tmp_path / "2x-tiny.safetensors"), "bicubic-x4")
    service = Service(make_settings(models=models, default_model="2x-tiny"))
    facts = find_facts(service, asks_for_key=False)
    service.stop()
    assert {name: model.takes_strength for name, model in facts.models.items()} == {
        "2x-tiny": True,
        "bicubic-x4": False,
    }
    assert facts.default_model == "2x-tiny"
    assert shown_sliders(make_settings(models=models, default_model="2x-tiny", has_page=True)) == {"strength"}


# pictures


def test_the_result_is_that_of_rest_byte_for_byte(page):
    data = picture_bytes(20, 30)
    job = enlarge(page, data, scale=2.5)
    answer = page.get(f"/page/jobs/{job['id']}/result")
    by_rest = page.post("/v1/upscale", files=form(data), data={"scale": "2.5"})
    assert answer.content == by_rest.content
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''photo_x2.5.png"
    assert (job["width"], job["height"], job["output_width"], job["output_height"]) == (30, 20, 75, 50)


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("Möwe.jpeg", {}, "Möwe_x2.png"),
        ("a.b.png", {"scale": 3, "format": "jpeg"}, "a.b_x3.jpg"),
        ("../../etc/passwd", {"width": 100}, "passwd_100w.png"),
        ("", {"long_edge": 64, "format": "webp"}, "picture_64long.webp"),
    ],
)
def test_results_are_called_as_the_command_line_calls_them(page, name, order, expected):
    job = enlarge(page, name=name, **order)
    assert result_name(page.app.state.service.find(job["id"])) == expected


def test_wrong_files_are_told_in_words(start):
    client = start(has_page=True, max_pixels=10_000, max_upload_bytes=100_000)
    wrong = {
        (415, "a picture must be one of"): b"just text",
        (415, "photo.png must be a whole file"): picture_bytes(40, 40)[:30],
        (415, "got an empty file"): b"",
        (413, "at most 10,000 pixels here: got 100×101"): picture_bytes(101, 100),
        (413, "bytes"): bytes(200_000),
    }
    for (status, words), data in wrong.items():
        answer = client.post("/page/pictures", params={"name": "photo.png"}, content=data)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
        assert str(client.app.state.service.settings.folder) not in answer.text


def test_a_file_is_refused_by_its_first_bytes(page):
    assert page.post("/page/look", content=picture_bytes()[:1024]).status_code == 204
    for data, told in ((b"%PDF-1.7", "got a PDF document"), (b"plain text", "must be one of png, jpeg")):
        answer = page.post("/page/look", content=data)
        assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")
        assert told in answer.json()["detail"]
    assert page.post("/page/look", content=bytes(70_000)).status_code == 413


def test_a_picture_that_turns_out_to_be_cut_fails_with_a_reason(page):
    answer = send(page, picture_bytes(40, 40)[:-400])
    assert answer.status_code == 202
    job = finish(page, answer.json()["id"])
    assert job["state"] == "failed"
    assert "photo.png must be a whole file" in job["error"]


def test_several_frames_and_wrong_orders_are_refused(page):
    frames = io.BytesIO()
    Image.new("RGB", (8, 8)).save(frames, "PNG", save_all=True, append_images=[Image.new("RGB", (8, 8), "white")])
    assert send(page, frames.getvalue()).json()["error"] == "several_frames"
    assert send(page, scale=0).json()["error"] == "not_possible"
    assert send(page, model="other").json()["error"] == "not_possible"


def test_only_pictures_may_be_large(page):
    for path in ("/page/jobs", "/page/zip"):
        assert page.post(path, content=bytes(70_000)).json()["error"] == "too_large"
        assert page.post(path, content=iter([b"{}"])).json()["error"] == "too_large"  # tells no length
    assert page.post("/page/jobs", json={"ids": ["x"] * 201}).status_code == 422


def test_pictures_of_the_page_are_not_listed_for_anybody(page):
    job = enlarge(page)
    assert job["id"] not in [one["id"] for one in page.get("/v1/jobs").json()]
    assert [one["id"] for one in ask(page, job["id"], job["id"], "unknown", "")["jobs"]] == [job["id"]]
    assert ask(page)["jobs"] == []


def test_a_full_queue_is_told_before_the_next_picture_is_sent(page, monkeypatch):
    assert ask(page)["refusal"] is None

    def refuse(_owner, _bytes=0):
        raise RefusedError(429, "too_many_jobs", "at most 16 of your pictures may wait", 7.0)

    monkeypatch.setattr(page.app.state.service, "check_room", refuse)
    answer = ask(page)
    assert (answer["refusal"], answer["retry_after"]) == ("at most 16 of your pictures may wait", 7.0)


def test_a_discarded_job_leaves_no_file(page):
    job = enlarge(page)
    folder = page.app.state.service.settings.folder / "jobs" / job["id"]
    page.get(f"/page/jobs/{job['id']}/view")
    assert {file.name for file in folder.iterdir()} >= {"input", "result.png", "before.view", "after.view"}
    assert page.delete(f"/page/jobs/{job['id']}").status_code == 200
    assert not folder.exists()
    assert page.get(f"/page/jobs/{job['id']}/view").status_code == 410
    assert page.get(f"/page/jobs/{job['id']}/thumbnail").status_code == 410
    assert page.get(f"/page/jobs/{job['id']}/result").status_code == 410


# looking


def test_tiles_show_both_pictures_at_full_resolution(page):
    height, width = 150, 200
    ramp = np.broadcast_to(np.linspace(20, 230, width).astype(np.uint8)[:, None], (height, width, 3))
    data = encode_picture(Picture(pixels=np.ascontiguousarray(ramp), metadata=Metadata()), file_format="png")
    job = enlarge(page, data)
    view = page.get(f"/page/jobs/{job['id']}/view").json()
    assert view["tile"] == TILE_PX
    assert view["before"] == [{"width": 200, "height": 150}]
    assert view["after"] == view["plain"] == [{"width": 400, "height": 300}, {"width": 200, "height": 150}]
    corner = page.get(f"/page/jobs/{job['id']}/after/0/1/1")
    assert corner.headers["content-type"] == "image/jpeg"
    tile = np.asarray(Image.open(io.BytesIO(corner.content)))
    assert tile.shape == (300 - 256, 400 - 256, 3)
    result = np.asarray(Image.open(io.BytesIO(page.get(f"/page/jobs/{job['id']}/result").content)).convert("RGB"))
    assert np.abs(tile.astype(int) - result[256:, 256:]).mean() < 1
    plain = np.asarray(Image.open(io.BytesIO(page.get(f"/page/jobs/{job['id']}/plain/0/1/1").content)))
    bicubic = Image.fromarray(ramp).resize((400, 300), Image.Resampling.BICUBIC)
    assert np.abs(plain.astype(int) - np.asarray(bicubic)[256:, 256:]).mean() < 1
    before = np.asarray(Image.open(io.BytesIO(page.get(f"/page/jobs/{job['id']}/before/0/0/0").content)))
    assert np.abs(before.astype(int) - ramp).mean() < 1


@pytest.mark.parametrize(
    "place", ["after/0/9/0", "after/0/-1/0", "after/-1/0/0", "before/-2/0/0", "after/7/0/0", "before/0/0/99999999999"]
)
def test_tiles_that_are_not_there_are_refused(page, place):
    job = enlarge(page)
    assert page.get(f"/page/jobs/{job['id']}/{place}").json()["error"] == "no_view"
    assert page.get(f"/page/jobs/{job['id']}/other/0/0/0").status_code == 422


def test_a_view_is_made_once_and_counted(page):
    job = enlarge(page, picture_bytes(300, 300))
    service = page.app.state.service
    folder = service.settings.folder / "jobs" / job["id"]

    def size():
        return sum(file.stat().st_size for file in folder.iterdir())

    first = size()
    assert service.find(job["id"]).bytes == first
    page.get(f"/page/jobs/{job['id']}/view")
    made = (folder / "after.view").stat()
    page.get(f"/page/jobs/{job['id']}/view")
    page.get(f"/page/jobs/{job['id']}/thumbnail")
    assert (folder / "after.view").stat().st_mtime_ns == made.st_mtime_ns
    assert service.find(job["id"]).bytes == size() > first


def test_no_view_is_made_without_room(page, monkeypatch):
    job = enlarge(page, picture_bytes(100, 100))
    service = page.app.state.service
    monkeypatch.setattr(service._store, "bytes_used", lambda: service.settings.quota_bytes)
    assert page.get(f"/page/jobs/{job['id']}/view").json()["error"] == "disk_full"


def test_a_job_of_rest_keeps_no_picture(page):
    answer = page.post("/v1/upscale", files=form())
    folder = page.app.state.service.settings.folder / "jobs" / answer.headers["nlcunet-job"]
    assert [file.name for file in folder.iterdir()] == ["result.png"]


def test_blur_noise_and_compression_of_the_picture_before_are_told(page):
    job = enlarge(page)
    traits = page.get(f"/page/jobs/{job['id']}/reading").json()
    assert [trait["name"] for trait in traits] == ["Found", "Blur", "Noise", "JPEG"]
    assert page.get(f"/page/jobs/{job['id']}/reading").json() == traits
    page.delete(f"/page/jobs/{job['id']}")
    assert page.get(f"/page/jobs/{job['id']}/reading").status_code == 410


def test_a_reading_in_words():
    reading = read(EXAMPLE)
    told = {trait.name: trait.value for trait in traits_of(reading, "4x-NLCUnet-S")}
    assert told.keys() == {"Found", "Blur", "Noise", "JPEG"}
    assert told["Found"] == "no noise, JPEG traces or sharpening"
    assert told["Noise"] == f"σ {reading.noise_std_8bit:.1f} of 255"
    assert told["JPEG"] == "no trace"
    blur = BlurEstimate(major_sigma_px=2.04, minor_sigma_px=0.66, angle_deg=31.6, edge_points=100)
    jpeg = JpegCompression(quality=71, is_standard=True, chroma="4:2:0", source="tables")
    advice = replace(reading.advice, warnings=("It is blurred.",))
    worse = replace(reading, blur=blur, noise_std_8bit=4.26, jpeg=jpeg, advice=advice)
    told = {trait.name: trait.value for trait in traits_of(worse, "4x-NLCUnet-S")}
    assert told == {
        "Found": "JPEG traces (about quality 71)",
        "Blur": "σ 2.0 px at 32°, 0.7 px across",
        "Noise": "σ 4.3 of 255",
        "JPEG": "quality 71",
        "Note": "It is blurred.",
    }
    assert "Note" not in {trait.name for trait in traits_of(worse, "2x-NLCUnet-S")}
    unknown = replace(reading, blur=None, noise_std_8bit=None)
    assert [trait.value for trait in traits_of(unknown, None)][1:3] == [
        "unknown: too few clear edges",
        "unknown: too few suitable places",
    ]


# all at once


def test_all_results_come_in_one_zip_with_names_of_their_own(page):
    jobs = [enlarge(page, picture_bytes(seed=seed), "same.png") for seed in range(2)]
    answer = page.post("/page/zip", data={"ids": [*(job["id"] for job in jobs), "unknown"]})
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == ["same_x2.png", "same_x2 (2).png"]
        for name, job in zip(packed.namelist(), jobs, strict=True):
            assert packed.getinfo(name).compress_type == zipfile.ZIP_STORED
            assert packed.read(name) == page.get(f"/page/jobs/{job['id']}/result").content
    assert page.post("/page/zip", data={"ids": ["unknown"]}).status_code == 410


def test_names_in_a_zip_are_unique_whatever_the_case():
    assert unique_names(["a.png", "A.png", "a (2).png", "a.png", ".png", "b"]) == [
        "a.png",
        "A (2).png",
        "a (2) (2).png",
        "a (3).png",
        ".png",
        "b",
    ]


def test_a_zip_is_sent_whole_though_its_files_are_deleted_meanwhile(tmp_path):
    names = ["erste.bin", "schöne Möwe.bin", "leer.bin"]
    contents = [b"one" * 1000, bytes(range(256)), b""]
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(content)
    packed = Zip([ZipMember(name, tmp_path / name) for name in names])
    for name in names:
        (tmp_path / name).unlink()
    data = b"".join(packed.chunks())
    assert len(data) == packed.length
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        assert [read.read(name) for name in names] == contents
        assert all(not info.flag_bits & 0x08 for info in read.infolist())  # sizes stand before the contents


def test_large_zips_have_64_bit_sizes(tmp_path, monkeypatch):
    """With the limit at 1,000 bytes instead of 4 GiB; a reader takes the larger fields wherever they are."""
    monkeypatch.setattr(zips, "LIMIT_32", 1000)
    for name, size in {"small": 10, "large": 5000, "last": 20}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    packed = Zip([ZipMember(name, tmp_path / name) for name in ("small", "large", "last")])
    data = b"".join(packed.chunks())
    assert len(data) == packed.length
    large = data[30 + 5 + 10 :]
    assert large[:4] == b"PK\3\4"
    assert int.from_bytes(large[4:6], "little") == zips.ZIP64
    assert data.count(b"PK\6\6") == data.count(b"PK\6\7") == 1


def test_a_zip_of_a_file_that_is_gone_fails_before_it_is_begun(tmp_path):
    with pytest.raises(FileNotFoundError):
        Zip([ZipMember("gone", tmp_path / "gone")])


# keys


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A server with two keys, and those."""
    folder = tmp_path_factory.mktemp("locked")
    keys = [add_key(folder / "keys.json", name) for name in ("ann", "bob")]
    settings = ServerSettings(folder=folder / "served", models=("bicubic-x2",), keys_file=folder / "keys.json")
    with TestClient(make_app(settings), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client, keys


@pytest.fixture
def guarded(locked):
    """The same, nobody known."""
    locked[0].cookies.clear()
    return locked


def test_with_keys_on_the_page_asks_for_one(guarded):
    client, (key, _) = guarded
    shell = client.get("/")
    assert shell.status_code == 401
    assert "API key" in shell.text
    assert "bicubic" not in shell.text
    assert send(client).json()["error"] == "no_key"
    assert client.post("/page/jobs", json={"ids": []}).status_code == 401
    wrong = client.post("/page/key", data={"key": "nlc_wrong"}, follow_redirects=True)
    assert "does not accept this key" in wrong.text
    assert 'role="alert" >' in wrong.text
    right = client.post("/page/key", data={"key": f" {key}\n"}, follow_redirects=False)
    cookie = right.headers["set-cookie"].lower()
    assert right.status_code == 303
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "Drop photographs here" in client.get("/").text
    client.post("/page/leave")
    assert client.get("/").status_code == 401


def enter(client, key):
    """Give a key to the page, as its form does; the pass for it."""
    return client.post("/page/key", data={"key": key}, follow_redirects=False).cookies["nlcunet-pass"]


def test_the_browser_keeps_no_key(guarded):
    client, (ann, _bob) = guarded
    given = enter(client, ann)
    assert ann not in given
    assert hash_key(ann) not in given
    assert client.get("/v1/models", headers={"Authorization": f"Bearer {given}"}).status_code == 401
    until, name, signature = given.split(".")
    changed = [
        "",
        "..",
        ann,
        f"{until}.{name}",
        f"{int(until) + 1}.{name}.{signature}",
        f"{until}.Ym9i.{signature}",
        f"{until}.{name}.{signature[:-1]}",
        f"{until}.{name}.{signature[:-1]}é",
        f"{until}.!.{signature}",
    ]
    client.cookies.clear()
    for text in changed:
        cookie = f"nlcunet-pass={text}".encode()
        assert client.get("/", headers={b"Cookie": cookie}).status_code == 401, text
    assert client.get("/", headers={"Cookie": f"nlcunet-pass={given}"}).status_code == 200


def test_a_pass_ends_with_its_time_its_key_and_its_server(tmp_path, monkeypatch):
    key = add_key(tmp_path / "keys.json", "ann")
    secret = read_secret(tmp_path / "secret")
    passes = Passes(Keys(tmp_path / "keys.json"), secret)
    given = passes.exchange(key)
    assert passes.exchange("nlc_wrong") is None
    assert passes.owner(given) == "ann"
    assert Passes(Keys(tmp_path / "keys.json"), read_secret(tmp_path / "secret")).owner(given) == "ann"  # a new start
    assert Passes(Keys(tmp_path / "keys.json"), bytes(32)).owner(given) is None
    for name in ("ann", "bob"):  # another key of the same name, and none of it
        other = tmp_path / f"{name}.json"
        add_key(other, name)
        assert Passes(Keys(other), secret).owner(given) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + PASS_SECONDS + 1)
    assert passes.owner(given) is None


def test_the_secret_of_a_server_is_private_and_made_anew_where_it_is_damaged(tmp_path):
    path = tmp_path / "secret"
    first = read_secret(path)
    assert path.stat().st_mode & 0o077 == 0
    assert read_secret(path) == first
    path.write_bytes(first[:10])
    second = read_secret(path)
    assert len(second) == 32
    assert second != first
    with pytest.raises(ConfigError, match="must be a file that can be read and made"):
        read_secret(tmp_path / "missing" / "secret")


def test_with_keys_on_a_job_is_seen_with_its_key_only(guarded):
    client, (ann, bob) = guarded
    enter(client, ann)
    job = enlarge(client)
    assert [one["id"] for one in client.get("/v1/jobs", headers={"X-Api-Key": ann}).json()] == [job["id"]]
    client.cookies.clear()
    enter(client, bob)
    assert ask(client, job["id"])["jobs"] == []
    for path in ("result", "view", "thumbnail", "after/0/0/0"):
        assert client.get(f"/page/jobs/{job['id']}/{path}").status_code == 404
    assert client.delete(f"/page/jobs/{job['id']}").status_code == 404
    assert client.post("/page/zip", data={"ids": [job["id"]]}).status_code == 410


def test_the_cookie_of_the_page_opens_nothing_of_rest(guarded):
    client, (ann, _) = guarded
    enter(client, ann)
    assert client.get("/v1/models").status_code == 401


def test_pages_of_other_sites_send_nothing(page):
    answer = page.post("/page/pictures", content=picture_bytes(), headers={"Origin": "https://example.org"})
    assert answer.json()["error"] == "wrong_origin"
