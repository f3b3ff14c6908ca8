"""Every door gives the same picture: command line, Python, REST, a batch behind URLs, a hub folder, an ONNX file."""

import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import nlcunet
from nlcunet.cli.app import app
from nlcunet.export.exporting import ExportRequest, export_model
from nlcunet.hub.publishing import save_pretrained
from nlcunet.imaging.files import Metadata, Picture, read_picture, write_picture
from nlcunet.models.weights import save_weights
from nlcunet.server.app import make_app
from nlcunet.server.settings import ServerSettings


@pytest.fixture
def weights(tiny, tmp_path):
    path = tmp_path / f"{tiny.header.name}.safetensors"
    save_weights(path, tiny.network, tiny.header, half=False)
    return path


@pytest.fixture
def photo(tmp_path):
    """16 bits, with alpha and a resolution: more than a lazy door would keep."""
    generator = np.random.default_rng(3)
    picture = Picture(
        pixels=generator.integers(0, 2**16, (50, 70, 3), dtype=np.uint16),
        alpha=generator.integers(0, 2**16, (50, 70), dtype=np.uint16),
        metadata=Metadata(xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
    )
    (tmp_path / "in").mkdir()
    write_picture(picture, tmp_path / "in" / "photo.png")
    return tmp_path / "in" / "photo.png"


@pytest.fixture
def from_command_line(weights, photo, tmp_path):
    """What all others are held against."""
    result = upscale(photo, "-m", weights, "-o", tmp_path / "command.png")
    assert result.exit_code == 0, result.stderr
    return (tmp_path / "command.png").read_bytes()


def upscale(*arguments):
    return CliRunner().invoke(app, ["upscale", *map(str, arguments), "-t", "32", "--device", "cpu"])


def test_python(from_command_line, weights, photo, tmp_path):
    enlarged = nlcunet.load(weights, tile=32, device="cpu").upscale(photo)
    write_picture(enlarged, tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == from_command_line


def test_rest(from_command_line, weights, photo, tmp_path):
    settings = ServerSettings(folder=tmp_path / "served", models=(str(weights),), tile=32, device="cpu", has_page=False)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        answer = client.post("/v1/upscale", content=photo.read_bytes(), params={"name": "photo.png"})
    assert answer.content == from_command_line


def test_a_batch_behind_urls(from_command_line, weights, photo, tmp_path):
    result = upscale(photo.parent.as_uri() + "/", "-m", weights, "-o", (tmp_path / "out").as_uri() + "/")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / "photo.png").read_bytes() == from_command_line


def test_edges_that_continue_each_other(weights, photo, tmp_path):
    result = upscale(photo, "-m", weights, "--wrap", "both", "-o", tmp_path / "command.png")
    assert result.exit_code == 0, result.stderr
    wanted = (tmp_path / "command.png").read_bytes()
    enlarged = nlcunet.load(weights, tile=32, device="cpu").upscale(photo, wrap="both")
    write_picture(enlarged, tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == wanted
    settings = ServerSettings(folder=tmp_path / "served", models=(str(weights),), tile=32, device="cpu", has_page=False)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        order = {"name": "photo.png", "wrap": "both"}
        assert client.post("/v1/upscale", content=photo.read_bytes(), params=order).content == wanted
        assert client.post("/v1/upscale", content=photo.read_bytes(), params=order | {"wrap": "no"}).status_code == 422
    result = upscale(
        photo.parent.as_uri() + "/", "-m", weights, "--wrap", "both", "-o", (tmp_path / "out").as_uri() + "/"
    )
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / "photo.png").read_bytes() == wanted
    plain = nlcunet.load(weights, tile=32, device="cpu").upscale(photo)
    assert not np.array_equal(plain.pixels, enlarged.pixels)


def test_a_hub_folder(from_command_line, tiny, photo, tmp_path):
    save_pretrained(tiny, tmp_path / "published", half=False)
    enlarged = nlcunet.from_pretrained(tmp_path / "published", tile=32, device="cpu").upscale(photo)
    write_picture(enlarged, tmp_path / "hub.png")
    assert (tmp_path / "hub.png").read_bytes() == from_command_line


@pytest.mark.usefixtures("draw_once")
def test_an_onnx_file_to_within_a_step_of_8_bits(from_command_line, tiny, photo, tmp_path):
    export_model(tiny, tmp_path / "tiny.onnx", ExportRequest(tiles=(32,)))
    enlarged = read_picture(from_command_line)
    by_onnx = nlcunet.load(tmp_path / "tiny.onnx", tile=32).upscale(photo)
    for a, b in ((enlarged.pixels, by_onnx.pixels), (enlarged.alpha, by_onnx.alpha)):
        assert np.abs(a.astype(int) - b.astype(int)).max() < 256


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["clean", "noisy"])
def test_all_doors_choose_the_weights_of_the_scale(kind, scale, tmp_path):
    rows, columns = np.mgrid[0:40, 0:56] / 9
    pixels = 127 + 100 * np.stack([np.sin(rows + columns), np.cos(rows - columns), np.sin(rows)], axis=2)
    pixels += np.random.default_rng(0).normal(0, 9, pixels.shape) if kind == "noisy" else 0
    photo = tmp_path / "photo.png"
    write_picture(Picture(pixels=pixels.round().clip(0, 255).astype(np.uint8)), photo)
    family = f"x-NLCUnet-S{'-Photo' if kind == 'noisy' else ''}"
    name = next(
        each for each in (f"{number}{family}" for number in range(scale, 5)) if each in nlcunet.embedded_models()
    )

    result = upscale(photo, "-s", scale, "-o", tmp_path / "command.png", "--json")
    assert json.loads(result.stdout)["model"] == name
    wanted = (tmp_path / "command.png").read_bytes()

    for number, enlarged in enumerate(
        (
            nlcunet.load(tile=32, device="cpu").upscale(photo, scale),
            nlcunet.load(scale=scale, tile=32, device="cpu")(photo),
            nlcunet.load(scale=9, tile=32, device="cpu")(photo, scale),
            nlcunet.load(tile=32, device="cpu")(photo.read_bytes(), scale),
            nlcunet.load(tile=32, device="cpu")([photo], scale)[0],
        )
    ):
        assert f"with {name}," in enlarged.notes[0]
        enlarged.save(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").read_bytes() == wanted

    settings = ServerSettings(folder=tmp_path / "served", tile=32, device="cpu", has_page=False)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        order = {"name": photo.name, "scale": scale}
        answer = client.post("/v1/upscale", content=photo.read_bytes(), params=order)
    assert answer.headers["Nlcunet-Model"] == name
    assert answer.content == wanted


def test_every_door_takes_a_folder_of_weights(from_command_line, tiny, photo, tmp_path):
    folder = save_pretrained(tiny, tmp_path / "published", half=False).folder
    result = upscale(photo, "-m", folder, "-o", tmp_path / "folder.png")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "folder.png").read_bytes() == from_command_line
    nlcunet.load(folder, tile=32, device="cpu")(photo).save(tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == from_command_line
    settings = ServerSettings(folder=tmp_path / "served", models=(str(folder),), tile=32, device="cpu", has_page=False)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        answer = client.post("/v1/upscale", content=photo.read_bytes(), params={"name": "photo.png"})
    assert answer.content == from_command_line
    assert nlcunet.load_model(folder).header == tiny.header
    result = CliRunner().invoke(app, ["models", str(folder)])
    assert "2x-tiny" in result.stdout


def test_every_door_refuses_a_folder_without_checksums(tiny, photo, tmp_path):
    folder = save_pretrained(tiny, tmp_path / "published", half=False).folder
    (folder / "SHA256SUMS").unlink()
    result = upscale(photo, "-m", folder)
    assert result.exit_code == 2
    assert "SHA256SUMS must lie beside model.safetensors: there is none" in result.stderr
    with pytest.raises(nlcunet.WeightsError, match="SHA256SUMS must lie beside"):
        nlcunet.load(folder)


def test_a_name_that_is_nearly_one_gets_the_right_one_told(photo):
    result = upscale(photo, "-m", "4x-nlcunet-photo")
    assert result.exit_code == 2
    assert "got '4x-nlcunet-photo', did you mean 4x-NLCUnet-S-Photo?" in result.stderr


@pytest.mark.parametrize("kind", ["clean", "noisy", "compressed"])
def test_all_doors_choose_the_same_weights_where_none_are_named(kind, tmp_path):
    rows, columns = np.mgrid[0:40, 0:56] / 9
    pixels = 127 + 100 * np.stack([np.sin(rows + columns), np.cos(rows - columns), np.sin(rows)], axis=2)
    pixels += np.random.default_rng(0).normal(0, 9, pixels.shape) if kind == "noisy" else 0
    photo = tmp_path / "in" / ("photo.jpg" if kind == "compressed" else "photo.png")
    photo.parent.mkdir()
    write_picture(Picture(pixels=pixels.round().clip(0, 255).astype(np.uint8)), photo, quality=70)

    result = upscale(photo, "-s", 2, "-o", tmp_path / "command.png", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    wanted = (tmp_path / "command.png").read_bytes()
    word = {"clean": "No noise", "noisy": "Some noise", "compressed": "JPEG traces (about quality 70)"}[kind]
    assert record["notes"][0].startswith(word)
    assert record["model"] in record["notes"][0]

    enlarged = nlcunet.load(tile=32, device="cpu").upscale(photo, 2)
    write_picture(enlarged, tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == wanted
    assert enlarged.notes[0] == record["notes"][0]

    settings = ServerSettings(folder=tmp_path / "served", tile=32, device="cpu", has_page=False)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        order = {"name": photo.name, "scale": 2, "format": "png"}
        answer = client.post("/v1/upscale", content=photo.read_bytes(), params=order)
        job = client.get(f"/v1/jobs/{answer.headers['Nlcunet-Job']}").json()
    assert answer.content == wanted
    assert (job["model"], job["notes"]) == (record["model"], record["notes"])

    out = (tmp_path / "out").as_uri() + "/"
    assert upscale(photo.parent.as_uri() + "/", "-s", 2, "--format", "png", "-o", out).exit_code == 0
    assert (tmp_path / "out" / "photo.png").read_bytes() == wanted
