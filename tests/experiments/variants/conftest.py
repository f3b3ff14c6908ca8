"""A tiny experiment: two variants that train in a second, on pictures made here."""

import pytest
import yaml
from stripes import draw_stripes

from nlcunet.experiments.variants.definition import read_experiment


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Twelve pictures of stripes; of them one is held out."""
    return draw_stripes(tmp_path_factory.mktemp("photographs"), 12, 96)


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
