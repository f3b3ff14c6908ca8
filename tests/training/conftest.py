"""A folder of pictures and a recipe that trains on them in a second."""

import pytest
import torch
import yaml
from stripes import draw_stripes

from nlcunet.training.processes import Processes
from nlcunet.training.recipe_file import read_recipe


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Six pictures of stripes."""
    return draw_stripes(tmp_path_factory.mktemp("photographs"), 6, 128)


@pytest.fixture
def processes():
    return Processes(torch.device("cpu"))


@pytest.fixture
def recipe_file(tmp_path, photographs):
    content = {
        "name": "2x-Stripes",
        "scale": 2,
        "seed": 3,
        "network": {
            "size": "NLCUnet-S",
            "overrides": {"width": 8, "depths": [1, 0, 1, 0, 1, 0], "chunk_size": 16},
        },
        "data": {
            "photographs": str(photographs),
            "validation": str(photographs),
            "patch_px": 16,
            "central_px": 96,
        },
        "optim": {"steps": 8, "batch": 2, "lr": 2e-3, "warmup_steps": 2, "clip_norm": 1.0},
        "validation": {"every_steps": 4, "pictures": 3, "crop_px": 64},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def make_recipe(recipe_file):
    """The recipe with changes by dotted key, as ``make_recipe({"optim.steps": 3})``."""
    return lambda changes=None: read_recipe(recipe_file, changes)


GAN_SECTION = {
    "optim": {"steps": 4, "batch": 2, "lr": 1e-3},
    "perceptual": {"backbone": "efficientnet-lite0"},
    "adversarial": "relativistic",
    "discriminator_width": 4,
}


@pytest.fixture
def gan_recipe(make_recipe):
    return make_recipe({"gan": GAN_SECTION, "optim.steps": 4, "validation.every_steps": 2})
