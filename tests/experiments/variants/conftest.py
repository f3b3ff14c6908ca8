"""A tiny experiment: two variants that train in a second, on pictures made here."""

import math

import numpy as np
import pytest
import yaml

from nlcunet.experiments.variants.definition import read_experiment
from nlcunet.imaging.files import Picture, write_picture


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Twelve pictures of stripes in random directions; of them one is held out."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    for index in range(12):
        angle, period = random.uniform(0, math.pi), random.uniform(6, 12)
        wave = np.sin(2 * math.pi * (np.cos(angle) * rows + np.sin(angle) * columns) / period) > 0
        pixels = (wave[..., None] * random.integers(100, 255, 3) + 20).clip(0, 255).astype(np.uint8)
        write_picture(Picture(pixels=pixels), folder / f"{index:02d}.png")
    return folder


@pytest.fixture
def content(photographs):
    """Of the YAML file; may be changed."""
    return {
        "name": "tiny",
        "question": "Which rate?",
        "recipe": "nlcunet_s_x2_isotropic",
        "settings": {
            "compile": False,
            "precision": "float32",
            "network.init": None,
            "network.overrides": {"width": 8, "depths": [1, 0, 1, 0, 1, 0], "chunk_size": 16},
            "data.photographs": str(photographs),
            "data.manifest": None,
            "data.validation": str(photographs),
            "data.patch_px": 16,
            "optim.batch": 2,
            "validation.pictures": 3,
            "validation.crop_px": 64,
        },
        "baseline": "slow",
        "variants": {"slow": {"optim.lr": 1e-5}, "fast": {"optim.lr": 2e-3}},
        "budgets": {"small": {"steps": 8}, "time": {"minutes": 0.02}},
        "measured_on": [{"images": "held-out", "protocol": "gaussian8", "sigmas": [0.8, 1.6]}],
        "measures": ["psnr_y", "ssim_y"],
    }


@pytest.fixture
def make_experiment(tmp_path, content):
    """The experiment, with other values for some keys."""

    def make(**changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**content, **changes}, sort_keys=False))
        return read_experiment(path)

    return make
