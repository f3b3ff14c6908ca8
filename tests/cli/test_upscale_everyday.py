"""What makes the command line pleasant: names, sizes as people write them, quiet runs, a word before huge results."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlcunet.errors import ConfigError, DeviceError
from nlcunet.imaging.files import read_header, read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inference.jobs import fill_pattern
from nlcunet.inference.planning import plan_work
from nlcunet.inference.sizes import SizeRequest, parse_scale
from nlcunet.models.weights import find_header
from nlcunet.runtime import choose_device

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.mark.parametrize("text", ["4", "x4", "4x", "X4", "×4", "4×", " 4.0 "])
def test_a_scale_is_taken_as_people_write_it(text: str) -> None:
    assert parse_scale(text) == 4.0


@pytest.mark.parametrize("text", ["", "x", "x4x", "four", "4:1"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"scale must be a number above 0, as 2\.5, x4 or 4x: got"):
        parse_scale(text)


def test_scales_with_an_x_reach_the_picture(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert nlcunet("upscale", "a.png", "-s", "x2", "-o", "b.png").exit_code == 0
    assert read_header(tmp_path / "b.png").width == 60
    result = nlcunet("upscale", "a.png", "-s", "two")
    assert result.exit_code == 2
    assert "scale must be a number above 0, as 2.5, x4 or 4x: got 'two'" in " ".join(result.stderr.split())


def test_gpu_means_whichever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_device("gpu").type == "cuda"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert choose_device("gpu").type == "mps"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"device gpu is not there: .*; take cpu"):
        choose_device("gpu")
    with pytest.raises(DeviceError, match="got 'cudda', did you mean cuda"):
        choose_device("cudda")


def test_results_are_named_by_a_pattern(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "deep" / "b.jpg")
    assert nlcunet("upscale", "in", "-r", "-o", "out", "--name", "{stem}_{scale}x").exit_code == 0
    assert nlcunet("upscale", "in/a.png", "--name", "large {stem} {size}", "--width", "40").exit_code == 0
    assert (tmp_path / "out" / "a_4x.png").is_file()
    assert (tmp_path / "out" / "deep" / "b_4x.jpg").is_file()
    assert (tmp_path / "in" / "large a 40w.png").is_file()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("large", r"must hold \{stem\}"),
        ("{stem}/{scale}", "no folder"),
        ("{stem}_{model}", r"with \{stem\}, \{size\}, \{scale\} in it"),
        ("{stem", "cannot be filled"),
    ],
)
def test_a_pattern_that_names_nothing_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fill_pattern(pattern, SizeRequest(), 4)


def test_a_size_in_pixels_has_no_scale_to_name() -> None:
    with pytest.raises(ConfigError, match=r"with \{stem\}, \{size\} in it"):
        fill_pattern("{stem}_{scale}", SizeRequest(width=300), 4)
    assert fill_pattern("{stem}_{scale}x", SizeRequest(scale=2.5), 4) == "{stem}_2.5x"


def test_name_and_suffix_exclude_each_other_and_so_do_quiet_and_verbose(
    nlcunet: Run, save: Save, tmp_path: Path
) -> None:
    save(tmp_path / "a.png")
    for flags in (("--name", "{stem}", "--suffix", "_big"), ("-q", "-v")):
        result = nlcunet("upscale", "a.png", *flags)
        assert result.exit_code == 2
        assert "got both; drop one" in result.stderr


def test_quiet_tells_only_what_failed(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", has_alpha=True)
    assert nlcunet("upscale", "in", "-q", "-o", "out", "--format", "jpeg").stderr == ""
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    result = nlcunet("upscale", "in", "--quiet", "-o", "out", "--format", "jpeg")
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["in/b.png"]


def test_a_huge_result_that_nobody_asked_for_is_told_before(
    nlcunet: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlcunet.inference.batch.HUGE_PIXELS", 9_000_000)
    save(tmp_path / "a.png", 750, 800)
    told = nlcunet("upscale", "a.png", "-o", "b.png").stderr.splitlines()
    assert told[0] == (
        "note: 0.6 megapixels become 9.6 (3200×3000), since no size was asked for; -s 2 or --long-edge 8000 make "
        "less of it"
    )
    assert "a.png → b.png" in told[1]
    assert "megapixels" not in nlcunet("upscale", "a.png", "-s", "4", "-o", "c.png").stderr


def test_making_smaller_needs_no_network(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 60, 90)
    result = nlcunet("upscale", "a.png", "-s", "0.5", "-o", "b.png", "-m", "auto", "--json")
    record = json.loads(result.stdout)
    assert (record["model"], record["tiles"], record["output_width"]) == (None, 1, 45)
    assert record["notes"] == ["Only made smaller, so no network was used."]
    pixels = read_picture(tmp_path / "a.png").pixels
    wanted = resize_bicubic(torch.from_numpy(pixels / 255.0).permute(2, 0, 1)[None], 30, 45)[0].permute(1, 2, 0)
    got = read_picture(tmp_path / "b.png").pixels
    assert np.abs(got - (wanted.numpy().clip(0, 1) * 255)).max() <= 1.0


def test_a_photograph_is_made_smaller_in_few_bands_and_a_stretched_one_by_the_network() -> None:
    header = find_header("4x-NLCUnet-S")
    small = plan_work(3000, 4000, SizeRequest(scale=0.5), header, tile=256, overlap=16)
    assert (small.network_pixels, small.tile_count) == (0, 1)
    assert small.network_bytes(header, torch.float32) == 0
    stretched = plan_work(300, 400, SizeRequest(width=200, height=600), header, tile=256, overlap=16)
    assert stretched.network_pixels > 0
    same = plan_work(300, 400, SizeRequest(scale=1), header, tile=256, overlap=16)
    assert same.network_pixels > 0
