from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.inference.loading import load
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
from nlcunet.models.weights import describe, save_weights

PICTURE = np.random.default_rng(0).random((20, 24, 3), dtype=np.float32)


def save_flat(path: Path, value: float, **facts: str) -> Path:
    """A network whose result is bicubic plus a constant, so that mixtures can be foretold."""
    network = NLCUnet(
        NLCUnetConfig(width=8, depths=(0,) * 6, attention=("none",) * 6, scale=2, upsampler="direct")
    ).eval()
    torch.nn.init.constant_(network.upsampler[0].bias, value)
    save_weights(path, network, describe(network, path.stem, **facts), half=False)
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    psnr = save_flat(tmp_path / "2x-Flat.safetensors", 0.25)
    return psnr, save_flat(tmp_path / "2x-Flat-GAN.safetensors", -0.25, fidelity_weights="2x-Flat")


@pytest.mark.parametrize(("strength", "offset"), [(0, 0.25), (0.25, 0.125), (0.5, 0.0), (1.0, -0.25)])
def test_the_last_layers_bias_moves_with_the_strength(pair: tuple[Path, Path], strength: float, offset: float) -> None:
    low_res = torch.from_numpy(PICTURE).permute(2, 0, 1)[None]
    bicubic = F.interpolate(low_res, scale_factor=2.0, mode="bicubic").clamp(0, 1)
    expected = (bicubic[0].permute(1, 2, 0) + offset).clamp(0, 1).numpy()
    for path in pair:
        upscaler = load(path, device="cpu", strength=strength)
        assert upscaler.header.name == f"2x-Flat-GAN@{strength:.2f}"
        np.testing.assert_allclose(upscaler.upscale(PICTURE), expected, atol=1e-5)


def test_without_a_strength_the_weights_are_those_named(pair: tuple[Path, Path]) -> None:
    assert [load(path, device="cpu").header.name for path in pair] == ["2x-Flat", "2x-Flat-GAN"]


def test_impossible_strengths_are_refused(pair: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="strength must lie in 0"):
        load(pair[0], strength=1.1)
    pair[1].unlink()
    with pytest.raises(WeightsError, match="strength needs GAN weights"):
        load(pair[0], strength=0.5)
