import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_weights import save_tiny

Run = Callable[..., Any]
Save = Callable[..., Path]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with PSNR and GAN weights that belong together."""
    folder = tmp_path / "weights"
    folder.mkdir()
    save_tiny(folder / "2x-Tiny.safetensors", 1)
    save_tiny(folder / "2x-Tiny-GAN.safetensors", 2, fidelity_weights="2x-Tiny")
    return folder


def test_strength_goes_from_the_psnr_picture_to_the_gan_picture(
    nlcunet: Run, save: Save, tmp_path: Path, weights: Path
) -> None:
    save(tmp_path / "a.png")

    def upscale(name: str, *flags: str) -> bytes:
        result = nlcunet("upscale", "a.png", "-m", str(weights / name), "-o", "out.png", "--overwrite", *flags)
        assert result.exit_code == 0, result.stderr
        return (tmp_path / "out.png").read_bytes()

    psnr, gan = upscale("2x-Tiny.safetensors"), upscale("2x-Tiny-GAN.safetensors")
    assert psnr != gan
    for name in ("2x-Tiny.safetensors", "2x-Tiny-GAN.safetensors"):
        assert upscale(name, "--strength", "0") == psnr
        assert upscale(name, "--strength", "1") == gan
        assert upscale(name, "--strength", "0.5") not in {psnr, gan}


def test_records_and_settings_name_the_mixture(nlcunet: Run, save: Save, tmp_path: Path, weights: Path) -> None:
    save(tmp_path / "a.png")
    model = str(weights / "2x-Tiny.safetensors")
    result = nlcunet("upscale", "a.png", "-m", model, "--strength", "0.4", "--json", "-v")
    assert json.loads(result.stdout)["model"] == "2x-Tiny-GAN@0.40"
    assert "2x-Tiny-GAN@0.40 in torch on" in result.stderr


def test_records_name_the_model_without_a_strength_too(nlcunet: Run, save: Save, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    planned = nlcunet("upscale", "a.png", "--dry-run", "--json")
    assert json.loads(planned.stdout)["model"] == "bicubic-x4"


@pytest.mark.parametrize("strength", ["1.5", "-1", "nan"])
def test_strengths_outside_0_to_1_cannot_start(
    nlcunet: Run, save: Save, tmp_path: Path, weights: Path, strength: str
) -> None:
    save(tmp_path / "a.png")
    model = str(weights / "2x-Tiny.safetensors")
    result = nlcunet("upscale", "a.png", "-m", model, "--strength", strength)
    assert result.exit_code == 2
    assert "strength must lie in 0" in result.stderr


def test_models_without_a_partner_cannot_start(nlcunet: Run, save: Save, tmp_path: Path, weights: Path) -> None:
    save(tmp_path / "a.png")
    (weights / "2x-Tiny-GAN.safetensors").unlink()
    result = nlcunet("upscale", "a.png", "-m", str(weights / "2x-Tiny.safetensors"), "--strength", "0.5")
    assert result.exit_code == 2
    assert "found no 2x-Tiny-GAN.safetensors" in result.stderr
    result = nlcunet("upscale", "a.png", "--strength", "0.5")  # bicubic
    assert result.exit_code == 2
    assert "strength mixes the weights of two networks" in result.stderr


def test_gan_weights_are_described_with_their_partner(nlcunet: Run, weights: Path) -> None:
    gan, psnr = (nlcunet("models", str(weights / f"2x-Tiny{ending}.safetensors")).stdout for ending in ("-GAN", ""))
    assert "mixes with    2x-Tiny (--strength 0 is that one)" in gan
    assert "mixes with" not in psnr
