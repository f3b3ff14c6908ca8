"""Other people's networks at every door, with a stand-in for spandrel."""

import json
import sys
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from foreign_library import make_library, save_shuffle
from typer.testing import CliRunner

import nlcunet
from nlcunet.cli.app import app
from nlcunet.errors import ConfigError
from nlcunet.files.checksums import hash_file
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.inference.giant.enlargement import upscale_giant
from nlcunet.inference.settings import BatchSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.server.app import make_app
from nlcunet.server.settings import ServerSettings


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", make_library())
    save_shuffle(tmp_path / "2x-Foreign.pth")
    return tmp_path / "2x-Foreign.pth"


@pytest.fixture
def photo(tmp_path):
    generator = np.random.default_rng(3)
    shape = (60, 100)
    picture = Picture(
        pixels=generator.integers(0, 2**16, (*shape, 3), dtype=np.uint16),
        alpha=generator.integers(0, 2**16, shape, dtype=np.uint16),
    )
    (tmp_path / "in").mkdir()
    write_picture(picture, tmp_path / "in" / "photo.png")
    return tmp_path / "in" / "photo.png"


def run(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments])


def upscale(*arguments):
    return run("upscale", *arguments, "-t", "48", "--device", "cpu")


def serve(tmp_path, *models):
    names = tuple(str(model) for model in models)
    return ServerSettings(folder=tmp_path / "served", models=names, tile=48, device="cpu", has_page=False)


def open_upscaler(weights):
    return nlcunet.load(weights, tile=48, device="cpu")


@pytest.fixture
def from_command_line(weights, photo, tmp_path):
    result = upscale(photo, "-m", weights, "-o", tmp_path / "command.png")
    assert result.exit_code == 0, result.stderr
    return (tmp_path / "command.png").read_bytes()


def test_python_and_a_giant_picture(from_command_line, weights, photo, tmp_path):
    write_picture(open_upscaler(weights).upscale(photo), tmp_path / "python.png")
    assert (tmp_path / "python.png").read_bytes() == from_command_line
    opaque = tmp_path / "opaque.png"
    write_picture(Picture(pixels=np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)), opaque)
    write_picture(open_upscaler(weights).upscale(opaque), tmp_path / "memory.png")
    upscale_giant(opaque, tmp_path / "disk.png", open_upscaler(weights), BatchSettings(request=SizeRequest()))
    memory, disk = (nlcunet.imaging.files.read_picture(tmp_path / f"{name}.png") for name in ("memory", "disk"))
    assert np.array_equal(memory.pixels, disk.pixels)


def test_an_interrupted_giant_picture_is_taken_up(weights, photo, tmp_path):
    def interrupt(upscaler, at):
        run_tile, done = upscaler._run, []

        def count(tile):
            done.append(1)
            if len(done) == at:
                raise KeyboardInterrupt
            return run_tile(tile)

        upscaler._run = count
        return upscaler

    settings = BatchSettings(request=SizeRequest())
    with pytest.raises(KeyboardInterrupt):
        upscale_giant(photo, tmp_path / "out.png", interrupt(open_upscaler(weights), 14), settings)
    report = upscale_giant(photo, tmp_path / "out.png", open_upscaler(weights), settings)
    assert report.resumed_tiles > 0
    upscale_giant(photo, tmp_path / "whole.png", open_upscaler(weights), settings)
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_rest_and_its_queue(from_command_line, weights, photo, tmp_path):
    with TestClient(make_app(serve(tmp_path, weights)), base_url="http://localhost") as client:
        (listed,) = client.get("/v1/models").json()
        assert (listed["name"], listed["scale"], listed["licence"]) == ("2x-Foreign", 2, "unknown")
        assert (listed["degradation"], listed["scores"]) == (None, {})
        order = {"name": "photo.png", "model": "2x-Foreign"}
        assert client.post("/v1/upscale", content=photo.read_bytes(), params=order).content == from_command_line
        job = client.post("/v1/upscale", content=photo.read_bytes(), params=order | {"wait": "0"}).json()
        deadline = time.monotonic() + 30
        while (job := client.get(job["links"]["self"]).json())["state"] not in {"done", "failed"}:
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        assert (job["state"], job["model"]) == ("done", "2x-Foreign")
        assert client.get(job["links"]["result"]).content == from_command_line
        refused = client.post("/v1/upscale", content=photo.read_bytes(), params=order | {"strength": 0.5})
        assert refused.status_code == 422


def test_the_server_still_chooses_among_our_own(weights, photo, tmp_path):
    settings = serve(tmp_path, "2x-NLCUnet-S", weights)
    with TestClient(make_app(settings), base_url="http://localhost") as client:
        answer = client.post("/v1/upscale", content=photo.read_bytes(), params={"name": "photo.png"})
    assert answer.headers["Nlcunet-Model"] == "2x-NLCUnet-S"


def test_two_models_of_one_name_are_refused(weights, tmp_path):
    (tmp_path / "other").mkdir()
    save_shuffle(tmp_path / "other" / "2x-Foreign.pth")
    with pytest.raises(ConfigError, match="two are called 2x-Foreign; rename a file"):
        make_app(serve(tmp_path, weights, tmp_path / "other" / "2x-Foreign.pth"))


def test_the_record_names_it(weights, photo, tmp_path):
    result = upscale(photo, "-m", weights, "-o", tmp_path / "out", "--json")
    (record,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (record["model"], record["notes"]) == ("2x-Foreign", [])


def test_models_describes_it(weights):
    told = run("models", weights).stdout
    assert all(word in told for word in ("2x-Foreign", "spandrel:Shuffle", "×2", "licence       unknown"))
    assert json.loads(run("models", weights, "--json").stdout)["config"]["channels"] == 3


def test_a_benchmark_lists_it_by_name_and_checksum(weights, photo, tmp_path):
    records = tmp_path / "records.jsonl"
    options = ("--protocol", "bicubic", "--scale", 2, "-m", weights, "--no-bicubic", "--no-cost", "--no-cache")
    write_picture(Picture(pixels=np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), photo)
    result = run("bench", "run", "--images", photo.parent, *options, "--device", "cpu", "-o", records)
    assert result.exit_code == 0, result.stderr
    assert "2x-Foreign" in result.stdout
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    (system,) = [line for line in lines if line["kind"] == "system"]
    assert (system["name"], system["sha256"]) == ("2x-Foreign", hash_file(weights))
    assert system["architecture"] == "spandrel:Shuffle"


@pytest.mark.parametrize("command", [("models",), ("upscale", "in/photo.png", "-m")])
def test_without_spandrel_there_is_one_sentence(command, weights, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    result = run(*command, "2x-Foreign.pth")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("nlcunet: 2x-Foreign.pth has no nlcunet header")
    assert "pip install --no-deps spandrel einops" in line
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png"]
