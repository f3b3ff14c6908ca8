"""Blind single-image super-resolution with NLCUnet.

::

    from pathlib import Path

    import nlcunet

    upscaler = nlcunet.load()                      # the embedded model, on the best device at hand
    picture = upscaler.upscale("photo.jpg")        # four times as wide and high, metadata kept
    nlcunet.write_picture(picture, Path("large.png"))

Names are imported when they are first used: ``import nlcunet`` alone loads neither torch nor libvips.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nlcunet.version import __version__

if TYPE_CHECKING:
    from nlcunet.errors import (
        ConfigError,
        DataError,
        DeviceError,
        ImageError,
        NlcunetError,
        TrainingError,
        WeightsError,
    )
    from nlcunet.hub.pretrained import from_pretrained
    from nlcunet.hub.publishing import save_pretrained
    from nlcunet.hub.upload import push_to_hub
    from nlcunet.imaging.files import read_picture, write_picture
    from nlcunet.imaging.picture import Metadata, Picture
    from nlcunet.inference.loading import load
    from nlcunet.inference.upscaler import Upscaler
    from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
    from nlcunet.models.weights import embedded_models, load_model

HOMES = {
    "ConfigError": "nlcunet.errors",
    "DataError": "nlcunet.errors",
    "DeviceError": "nlcunet.errors",
    "ImageError": "nlcunet.errors",
    "Metadata": "nlcunet.imaging.picture",
    "NLCUnet": "nlcunet.models.nlcunet",
    "NLCUnetConfig": "nlcunet.models.nlcunet",
    "NlcunetError": "nlcunet.errors",
    "Picture": "nlcunet.imaging.picture",
    "TrainingError": "nlcunet.errors",
    "Upscaler": "nlcunet.inference.upscaler",
    "WeightsError": "nlcunet.errors",
    "embedded_models": "nlcunet.models.weights",
    "from_pretrained": "nlcunet.hub.pretrained",
    "load": "nlcunet.inference.loading",
    "load_model": "nlcunet.models.weights",
    "push_to_hub": "nlcunet.hub.upload",
    "read_picture": "nlcunet.imaging.files",
    "save_pretrained": "nlcunet.hub.publishing",
    "write_picture": "nlcunet.imaging.files",
}
"""Where each public name lives."""

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
    "ImageError",
    "Metadata",
    "NLCUnet",
    "NLCUnetConfig",
    "NlcunetError",
    "Picture",
    "TrainingError",
    "Upscaler",
    "WeightsError",
    "__version__",
    "embedded_models",
    "from_pretrained",
    "load",
    "load_model",
    "push_to_hub",
    "read_picture",
    "save_pretrained",
    "write_picture",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f"module 'nlcunet' has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    return sorted({*globals(), *__all__})
