import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlcunet.models.weights import LoadedModel, save_weights

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.fixture
def model(tiny: LoadedModel, tmp_path: Path) -> str:
    save_weights(tmp_path / "tiny.safetensors", tiny.network, tiny.header)
    return "tiny.safetensors"


def test_every_knob_makes_another_picture(nlcunet: Run, save: Save, tmp_path: Path, model: str) -> None:
    save(tmp_path / "a.png", 40, 60)
    pictures = set()
    settings = (["--quality", "balanced"], ["--quality", "best"], ["--quality", "fast"])
    for flags in settings:
        result = nlcunet("upscale", "a.png", "-m", model, "-o", "out.png", "--overwrite", "-t", "40", *flags)
        assert result.exit_code == 0, result.stderr
        pictures.add((tmp_path / "out.png").read_bytes())
    assert len(pictures) == len(settings)


def test_records_and_settings_name_the_quality(nlcunet: Run, save: Save, tmp_path: Path, model: str) -> None:
    save(tmp_path / "a.png")
    flags = ["--quality", "best"]
    result = nlcunet("upscale", "a.png", "-m", model, *flags, "--json", "-v")
    record = json.loads(result.stdout)
    assert record["model"] == "2x-tiny"
    assert record["quality"] == "best"
    assert "2x-tiny in torch on" in result.stderr
    assert "quality best" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--quality", "finest"], "quality must be fast, balanced or best: got 'finest'"),
        (["--quality", "90"], "that of jpeg, webp, avif and jxl files is --file-quality"),
    ],
)
def test_what_cannot_be_set_cannot_start(
    nlcunet: Run, save: Save, tmp_path: Path, flags: list[str], message: str
) -> None:
    save(tmp_path / "a.png")
    result = nlcunet("upscale", "a.png", *flags)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "a_x4.png").exists()
