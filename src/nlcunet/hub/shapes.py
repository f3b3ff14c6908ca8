"""The configuration of an NLCUnet from the names and shapes of its weights, where there is no header to ask.

Other programs pass state dicts around and drop what stands in a file's metadata. One number leaves no trace in the
shapes: the chunk of sparse attention. All weights that were published have 144.
"""

import math
from collections.abc import Mapping

from torch import Tensor

from nlcunet.errors import WeightsError
from nlcunet.models.nlcunet import STAGES, NLCUnetConfig

DEFAULT_CHUNK = NLCUnetConfig().chunk_size


def has_nlcunet_shapes(state: Mapping[str, object]) -> bool:
    """Whether a state dict is that of an NLCUnet: its backbone is there, every part with the channels it must have."""
    width = _shape(state, "head.weight")[0]
    backbone = {
        "head.weight": (width, 3, 3, 3),
        "down1.0.weight": (width // 2, width, 3, 3),
        "down2.0.weight": (width, 2 * width, 3, 3),
        "up1.0.weight": (8 * width, 4 * width, 3, 3),
        "merge1.weight": (2 * width, 4 * width, 1, 1),
        "up2.0.weight": (4 * width, 2 * width, 3, 3),
        "fusion.weight": (width, 2 * width, 3, 3),
    }
    has_upsampler = _shape(state, "upsampler.0.weight")[1:] == (width, 3, 3)
    return width > 0 and has_upsampler and all(_shape(state, name) == shape for name, shape in backbone.items())


def config_from_shapes(state: Mapping[str, Tensor], *, chunk_size: int = DEFAULT_CHUNK) -> NLCUnetConfig:
    """The configuration that gives a network with these weights.

    Stages without blocks have no attention to tell: they get ``"none"``.

    Raises:
        WeightsError: the weights are of another network.
    """
    if not has_nlcunet_shapes(state):
        raise WeightsError("the weights must be of an NLCUnet: names or shapes of its backbone are missing")
    width = int(state["head.weight"].shape[0])
    scale, upsampler = _read_upsampler(state, width)
    rotations = [value.shape for name, value in state.items() if name.endswith(".attention.rotations")]
    num_hashes, half = (int(rotations[0][1]), int(rotations[0][2])) if rotations else (1, 1)
    return NLCUnetConfig(
        scale=scale,
        width=width,
        depths=tuple(_count_blocks(state, stage) for stage in STAGES),
        attention=tuple(_kind_of_attention(state, stage) for stage in STAGES),
        num_hashes=num_hashes,
        chunk_size=chunk_size,
        max_buckets=2 * half,
        upsampler=upsampler,
    )


def _shape(state: Mapping[str, object], name: str) -> tuple[int, ...]:
    value = state.get(name)
    return tuple(value.shape) if isinstance(value, Tensor) and value.ndim == 4 else (0, 0, 0, 0)


def _read_upsampler(state: Mapping[str, Tensor], width: int) -> tuple[int, str]:
    """Scale and kind: one convolution to all sub-pixels, or one per doubling (or tripling) and one to RGB."""
    first = int(state["upsampler.0.weight"].shape[0])
    if "upsampler.2.weight" not in state:
        return math.isqrt(first // 3), "direct"
    step = math.isqrt(first // width)
    return (step * step if "upsampler.4.weight" in state else step), "stepwise"


def _count_blocks(state: Mapping[str, Tensor], stage: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"{stage}.")})


def _kind_of_attention(state: Mapping[str, Tensor], stage: str) -> str:
    if f"{stage}.0.attention.rotations" in state:
        return "sparse"
    return "dense" if f"{stage}.0.attention.query.weight" in state else "none"
