"""NLCUnet for spandrel, the library that ComfyUI and chaiNNer load models with: https://github.com/chaiNNer-org/spandrel.

::

    from nlcunet.hub.spandrel_plugin import register
    from spandrel import ModelLoader

    register()
    model = ModelLoader().load_from_file("model.safetensors")

After ``register()`` every loader of this process knows our files by their names and shapes. Importing this file needs
spandrel. The other way round, other people's networks in nlcunet, is ``nlcunet.models.foreign``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file as load_tensors
from torch import Tensor

from nlcunet.errors import WeightsError
from nlcunet.hub.shapes import config_from_shapes, has_nlcunet_shapes
from nlcunet.models.foreign.library import import_spandrel
from nlcunet.models.nlcunet import SIZE_MULTIPLE, NLCUnet, NLCUnetConfig
from nlcunet.models.registry import SIZES
from nlcunet.models.weights import read_header

CHANNELS = 3
spandrel: Any = import_spandrel()


class NLCUnetArch(spandrel.Architecture):  # type: ignore[misc]
    """What spandrel asks of an architecture: whether a state dict is one of it, and to load it."""

    def __init__(self) -> None:
        super().__init__(id="NLCUnet", name="NLCUnet", detect=has_nlcunet_shapes)

    def load(self, state_dict: Mapping[str, Tensor]) -> Any:
        """The model of a state dict; everything about it is read from names and shapes.

        Raises:
            WeightsError: the weights are of another network.
        """
        return self.describe(state_dict, config_from_shapes(state_dict))

    def describe(self, state_dict: Mapping[str, Tensor], config: NLCUnetConfig) -> Any:
        """The model of a state dict whose configuration is known.

        Half precision is refused. spandrel would round all of the network, the rotations of its hashing too, and other
        pixels would attend to each other. ``nlcunet.Upscaler`` computes in float16 what may be, and no more.
        """
        return spandrel.ImageModelDescriptor(
            NLCUnet(config),
            state_dict,
            architecture=self,
            purpose="SR",
            tags=_tags(config),
            supports_half=False,
            supports_bfloat16=False,
            scale=config.scale,
            input_channels=CHANNELS,
            output_channels=CHANNELS,
            size_requirements=spandrel.SizeRequirements(minimum=SIZE_MULTIPLE, multiple_of=SIZE_MULTIPLE),
            tiling=spandrel.ModelTiling.SUPPORTED,
        )


def register() -> None:
    """Tell spandrel of NLCUnet; any number of times."""
    spandrel.MAIN_REGISTRY.add(spandrel.ArchSupport.from_architecture(NLCUnetArch()), ignore_duplicates=True)


def load_file(path: Path, *, device: str | torch.device = "cpu") -> Any:
    """A file as spandrel's ``ImageModelDescriptor``, by its header: it also knows what shapes do not tell.

    Raises:
        WeightsError: the file is missing or damaged, or holds another network.
    """
    header = read_header(path)
    if header.architecture != "NLCUnet":
        raise WeightsError(f"{path} must hold an NLCUnet: got {header.architecture}; load it with nlcunet itself")
    state = load_tensors(path)
    config = config_from_shapes(state, chunk_size=header.config.get("chunk_size", NLCUnetConfig().chunk_size))
    return NLCUnetArch().describe(state, config).to(torch.device(device))


def _tags(config: NLCUnetConfig) -> list[str]:
    """A named size, if it is one, and the numbers that make a size."""
    shape = (config.width, config.depths, config.upsampler)
    named = [name for name, size in SIZES.items() if isinstance(size, NLCUnetConfig) and shape == _shape(size)]
    return [*named, f"{config.width}nf", "-".join(map(str, config.depths)), config.upsampler]


def _shape(size: NLCUnetConfig) -> tuple[int, tuple[int, ...], str]:
    return size.width, size.depths, size.upsampler
