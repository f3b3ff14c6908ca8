"""``--denoise`` at the command line, in Python, and where weights are chosen by the picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_weights import save_tiny

from nlcunet.errors import ConfigError
from nlcunet.inference.loading import load

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Weights that know noise, with the clean ones they started from beside them."""
    (tmp_path / "weights").mkdir()
    save_tiny(tmp_path / "weights" / "2x-Tiny.safetensors", 1)
    return save_tiny(tmp_path / "weights" / "2x-Tiny-Photo.safetensors", 2, clean_weights="2x-Tiny")


def test_denoise_goes_from_the_clean_picture_to_the_denoised_one(
    nlcunet: Run, save: Save, tmp_path: Path, photo: Path
) -> None:
    save(tmp_path / "a.png")

    def upscale(model: Path, *flags: str) -> bytes:
        result = nlcunet("upscale", "a.png", "-m", str(model), "-o", "out.png", "--overwrite", *flags)
        assert result.exit_code == 0, result.stderr
        return (tmp_path / "out.png").read_bytes()

    clean, denoised = upscale(photo.with_name("2x-Tiny.safetensors")), upscale(photo)
    assert upscale(photo, "--denoise", "0") == clean
    assert upscale(photo, "--denoise", "1") == denoised
    assert upscale(photo, "--denoise", "0.5") not in {clean, denoised}


def test_records_name_the_mixture_and_numbers_outside_cannot_start(
    nlcunet: Run, save: Save, tmp_path: Path, photo: Path
) -> None:
    save(tmp_path / "a.png")
    told = nlcunet("upscale", "a.png", "-m", str(photo), "--denoise", "0.4", "--json")
    assert json.loads(told.stdout)["model"] == "2x-Tiny-Photo@denoise=0.40"
    wrong = nlcunet("upscale", "a.png", "-m", str(photo), "--denoise", "1.5")
    assert wrong.exit_code == 2
    assert "denoise must lie in 0" in wrong.stderr
    clean = nlcunet("upscale", "a.png", "-m", str(photo.with_name("2x-Tiny.safetensors")), "--denoise", "0.5")
    assert clean.exit_code == 2
    assert "trained on noise" in clean.stderr


def test_by_default_every_picture_gets_weights_that_know_noise() -> None:
    pixels = np.full((24, 24, 3), 120, np.uint8)  # nothing to see: without denoise the clean weights take it
    half = load(denoise=0.5)
    assert np.abs(half.upscale(pixels).astype(int) - load("4x-NLCUnet-S-Photo", denoise=0.5).upscale(pixels)).max() == 0
    with pytest.raises(ConfigError, match="denoise must lie in 0"):
        load(denoise=2)
