"""Pictures that go from disk to disk, seen from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from rich.console import Console
from rich.progress import Progress

from nlcunet.cli.reporting import Follower
from nlcunet.imaging.files import read_picture
from nlcunet.inference import batch
from nlcunet.inference.origins import FILE_NAME
from nlcunet.inference.upscaler import Upscaler

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.fixture
def _everything_is_giant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "GIANT_PIXELS", 1)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_giant_result_is_the_file_that_a_small_one_would_be(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    save(tmp_path / name, 90, 70)
    assert nlcunet("upscale", name, "-t", "32", "-o", f"small/{name}").exit_code == 0
    monkeypatch.setattr(batch, "GIANT_PIXELS", 1)
    result = nlcunet("upscale", name, "-t", "32", "-o", f"giant/{name}", "--json")
    assert result.exit_code == 0, result.stderr
    small, large = (read_picture(tmp_path / folder / name) for folder in ("small", "giant"))
    assert np.array_equal(small.pixels, large.pixels)
    assert small.metadata == large.metadata
    record = json.loads(result.stdout)
    assert record["status"] == "done"
    assert record["notes"] == []
    assert record["tiles"] > 1
    assert {path.name for path in (tmp_path / "giant").iterdir()} - {FILE_NAME} == {name}


@pytest.mark.usefixtures("_everything_is_giant")
def test_metadata_is_left_out_on_request(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert nlcunet("upscale", "a.png", "-o", "b.png", "--strip-metadata").exit_code == 0
    assert read_picture(tmp_path / "b.png").metadata.xmp is None


@pytest.mark.usefixtures("_everything_is_giant")
def test_a_pipe_and_formats_that_do_not_stream_take_the_small_path(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    data = save(tmp_path / "a.png").read_bytes()
    assert nlcunet("upscale", "-", stdin=data).exit_code == 0
    assert nlcunet("upscale", "a.png", "-o", "b.webp").exit_code == 0
    assert nlcunet("upscale", "-", "-o", "c.png", stdin=data).exit_code == 0
    assert read_picture(tmp_path / "c.png").width == 120


@pytest.mark.parametrize("compression", ["deflate", "lzw", "none"])
def test_a_pyramid_holds_smaller_copies(nlcunet: Run, save: Save, tmp_path: Path, compression: str) -> None:
    save(tmp_path / "a.png", 150, 200)
    result = nlcunet("upscale", "a.png", "--format", "tiff", "--pyramid", "--tiff-compression", compression)
    assert result.exit_code == 0, result.stderr
    whole = pyvips.Image.tiffload(str(tmp_path / "a_x4.tif"))
    half = pyvips.Image.tiffload(str(tmp_path / "a_x4.tif"), page=1)
    assert (whole.width, half.width) == (800, 400)
    assert read_picture(tmp_path / "a_x4.tif").metadata.xmp is not None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pyramid"], "a pyramid must be a TIFF: got png; add --format tiff"),
        (["--tiff-compression", "zip"], "must be one of deflate, lzw, none: got 'zip'"),
    ],
)
def test_a_pyramid_that_cannot_be_is_refused(
    nlcunet: Run, save: Save, tmp_path: Path, *, flags: list[str], message: str
) -> None:
    save(tmp_path / "a.png")
    result = nlcunet("upscale", "a.png", *flags)
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert {path.name for path in tmp_path.iterdir()} - {FILE_NAME} == {"a.png"}


@pytest.mark.usefixtures("_everything_is_giant")
def test_the_limit_of_pixels_holds_for_giants_and_names_its_flag(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    result = nlcunet("upscale", "a.png", "--max-pixels", "100")
    assert result.exit_code == 1
    assert "--max-pixels" in result.stderr


@pytest.mark.usefixtures("_everything_is_giant")
def test_an_interrupt_says_where_the_rows_stay_and_the_same_command_goes_on(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", 90, 70)
    run, tiles = Upscaler._run, []

    def interrupt(self: Upscaler, tile: Any) -> Any:
        tiles.append(1)
        if len(tiles) == 10:
            raise KeyboardInterrupt
        return run(self, tile)

    monkeypatch.setattr(Upscaler, "_run", interrupt)
    stopped = nlcunet("upscale", "a.png", "-t", "32")
    assert stopped.exit_code == 130
    assert "note: finished rows stay in .a_x4.png.nlcunet-part; the same command goes on" in stopped.stderr.replace(
        f"{tmp_path}/", ""
    )
    assert not (tmp_path / "a_x4.png").exists()
    again = nlcunet("upscale", "a.png", "-t", "32", "--json")
    assert again.exit_code == 0
    assert "note: resuming at row" in again.stderr
    record = json.loads(again.stdout)
    assert "tiles were done before" in record["notes"][0]
    assert len(tiles) < record["tiles"] + 10
    assert {path.name for path in tmp_path.iterdir()} - {FILE_NAME} == {"a.png", "a_x4.png"}


def test_a_dry_run_tells_how_little_memory_a_giant_takes(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 3000, 3000)
    memory = [
        json.loads(nlcunet("upscale", "a.png", "-o", name, "--dry-run", "--json").stdout)["memory_bytes"]
        for name in ("b.png", "b.webp")
    ]
    assert memory[0] < memory[1]


def test_time_left_counts_from_where_a_run_was_taken_up() -> None:
    now = [0.0]
    with Progress(console=Console(quiet=True), get_time=lambda: now[0], speed_estimate_period=600) as bars:
        task = bars.add_task("", total=1, tiles="")
        follow = Follower(bars, task, 1)
        listener = follow.listener(lambda _: None)
        listener.resumed(50, 100)
        for tile in range(51, 61):
            now[0] += 3.0
            listener.tiles(tile, 100)
        state = bars.tasks[0]
        assert (state.description, state.fields["tiles"]) == ("picture 1 of 1", "tile 60 of 100")
        assert state.completed == pytest.approx(0.6)
        assert state.time_remaining == pytest.approx(120, abs=2)
