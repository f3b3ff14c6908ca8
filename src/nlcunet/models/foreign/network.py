"""Another's network as one of ours: it takes and gives RGB in [0, 1], and describes itself in a header.

What spandrel says of a network decides what becomes of it. Those that enlarge and those that restore at the same size
are taken, if they work on grey or on RGB. Those for one aligned face and those that fill holes are refused.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import lcm
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nlcunet.errors import WeightsError
from nlcunet.files.checksums import hash_file
from nlcunet.models.foreign.library import INSTALL, import_spandrel
from nlcunet.models.foreign.tensors import read_tensors
from nlcunet.models.headers import FOREIGN_PREFIX, WeightsHeader
from nlcunet.models.registry import SizeRules
from nlcunet.models.weights import LoadedModel

TILE_OVERLAP = 32
"""Low-resolution pixels; how far these networks look is unknown. Measured in docs/models.md."""

WINDOWED_FROM = 8
"""Networks that need at least so many pixels look at a picture in windows or at several sizes; others do not."""

WINDOW = 16
"""Tiles of such networks start at multiples of this, so that windows of 8 and of 16 lie as in the whole picture."""

TRIED_SIDE = 32
"""Side of the picture that every network is tried on."""

TENSORS_AT_PEAK = 5
"""How many tensors as large as the largest one are counted at the peak; measured in benchmarks/foreign.py."""

_PURPOSES = {
    "FaceSR": "which restores one aligned face",
    "Inpainting": "which fills holes and needs a mask",
}
"""What networks that are refused do."""


class ForeignNetwork(nn.Module):
    """Another's network behind our interface; its answers are clamped to [0, 1].

    A grey network sees the three channels one by one, or once where they are equal.

    Args:
        descriptor: what spandrel has loaded.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self._descriptor = descriptor
        self._is_grey = descriptor.input_channels == 1

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """What the network gives. It sees one picture at a time: spandrel promises no more."""
        return torch.cat([self._enlarge(picture) for picture in torch.split(low_res, 1)])

    def supports(self, dtype: torch.dtype) -> bool:
        """Whether the network may be computed in a number type."""
        supported = {torch.float16: self._descriptor.supports_half, torch.bfloat16: self._descriptor.supports_bfloat16}
        return bool(supported.get(dtype, True))

    def _enlarge(self, picture: Float[Tensor, "1 3 height width"]) -> Float[Tensor, "1 3 high_height high_width"]:
        # A copy of its own, in the order of memory that all networks take: some change it, some look at it as rows.
        run: Callable[[Tensor], Tensor] = self._descriptor
        if not self._is_grey:
            return run(picture.clone(memory_format=torch.contiguous_format))
        planes = picture.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        if torch.equal(planes[0], planes[1]) and torch.equal(planes[0], planes[2]):
            return run(planes[:1]).expand(-1, 3, -1, -1)
        return torch.cat([run(plane) for plane in torch.split(planes, 1)], dim=1)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copies, here or on another machine, are loaded from the tensors: spandrel's objects hold functions."""
        return _copy_of, (self.network.state_dict(),)


def load_foreign(path: Path, *, device: torch.device | str = "cpu") -> LoadedModel:
    """Load the network of another's file, and try it on a small picture.

    Args:
        path: a ``.safetensors`` file, or one that ``torch.save`` has written.
        device: where its weights go.

    Raises:
        WeightsError: spandrel is missing or does not know the file, the network is of no use here, or it fails.
    """
    held = read_tensors(path)
    try:
        spandrel = import_spandrel()
    except ImportError as error:
        raise WeightsError(
            f"{path} has no nlcunet header, and other people's networks need spandrel, which cannot be imported "
            f"({error}); install it with: {INSTALL}"
        ) from error
    descriptor = _describe(spandrel, held, path)
    _check(descriptor, path)
    network = ForeignNetwork(descriptor).eval()
    rules = _size_rules(descriptor)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    header = WeightsHeader(
        name=_name(path),
        architecture=f"{FOREIGN_PREFIX}{descriptor.architecture.id}",
        config={
            "tags": list(descriptor.tags),
            "channels": descriptor.input_channels,
            "tiles": descriptor.tiling.name.lower(),
            "bytes_per_pixel": _try(network, rules, descriptor.scale, path),
            "spandrel": spandrel.__version__,
        },
        scale=descriptor.scale,
        size_multiple=rules.size_multiple,
        min_size=rules.min_size,
        tile_overlap=rules.tile_overlap,
        parameters=parameters,
        licence="unknown",
    )
    return LoadedModel(network.to(device), header, file_sha256=hash_file(path))


def foreign_header(path: Path) -> WeightsHeader:
    """What another's file says of itself; the network is loaded for it, once for each state of the file.

    Raises:
        WeightsError: as ``load_foreign``.
    """
    status = path.stat()
    return _remembered_header(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _remembered_header(path: Path, _mtime_ns: int, _size: int) -> WeightsHeader:
    return load_foreign(path).header


def _describe(spandrel: Any, held: Mapping[str, Any], path: Path) -> Any:
    """The network as spandrel describes it."""
    # Numbers beside the tensors, as a count of steps, say nothing of the network.
    state = {name: value for name, value in spandrel.canonicalize_state_dict(held).items() if isinstance(value, Tensor)}
    for known in spandrel.MAIN_REGISTRY.architectures("detection"):
        try:
            if known.detect(state):
                with _their_warnings_ignored():
                    return known.architecture.load(state)
        except Exception as error:
            raise WeightsError(
                f"{path} looks like a {known.architecture.name}, but does not fit one ({_first_line(error)}); fetch "
                "it again, or ask its makers which program runs it"
            ) from error
    raise WeightsError(
        f"{path} has no nlcunet header, and spandrel {spandrel.__version__} does not know its network "
        f"({_told(list(state))}); if it is new, a newer spandrel may: pip install --upgrade --no-deps spandrel"
    )


def _check(descriptor: Any, path: Path) -> None:
    """Refuse networks that are of no use here."""
    name = descriptor.architecture.name
    if (does := _PURPOSES.get(descriptor.purpose)) is not None:
        raise WeightsError(f"{path} must enlarge or restore whole pictures: it is a {name}, {does}; choose another")
    channels = (descriptor.input_channels, descriptor.output_channels)
    if channels not in {(1, 1), (3, 3)}:
        raise WeightsError(
            f"{path} must take and give RGB or grey pictures: it is a {name} that takes {channels[0]} and gives "
            f"{channels[1]} channels; choose another"
        )


def _size_rules(descriptor: Any) -> SizeRules:
    """Which tiles the network takes, and which show no seams."""
    required = descriptor.size_requirements
    is_windowed = required.minimum >= WINDOWED_FROM
    multiple = lcm(required.multiple_of, WINDOW) if is_windowed else required.multiple_of
    return SizeRules(size_multiple=multiple, min_size=max(required.minimum, 1), tile_overlap=TILE_OVERLAP)


class _LargestResult(TorchFunctionMode):
    """Remembers the size of the largest tensor that any function of torch gives."""

    num_bytes: int = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.num_bytes = max(self.num_bytes, result.numel() * result.element_size())
        return result


@torch.inference_mode()
def _try(network: ForeignNetwork, rules: SizeRules, scale: int, path: Path) -> int:
    """Enlarge a small picture, so that a network that fails does so at the start.

    Returns:
        An estimate of the memory at the peak, in bytes for each low-resolution pixel.
    """
    side = -(-max(TRIED_SIDE, rules.min_size) // rules.size_multiple) * rules.size_multiple
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    largest = _LargestResult()
    try:
        with _their_warnings_ignored(), largest:
            answer = network(noise)
    except Exception as error:
        raise WeightsError(
            f"the network of {path} must enlarge a picture of {side}×{side}: it failed ({_first_line(error)}); ask its "
            "makers which program runs it"
        ) from error
    if (got := tuple(answer.shape)) != (wanted := (1, 3, scale * side, scale * side)):
        raise WeightsError(f"the network of {path} must give a tensor of shape {wanted} for ×{scale}: got {got}")
    if not answer.isfinite().all():
        raise WeightsError(f"the network of {path} must give finite numbers: got NaN; fetch it again")
    return TENSORS_AT_PEAK * largest.num_bytes // side**2


@contextmanager
def _their_warnings_ignored() -> Iterator[None]:
    """What other people's code does that torch warns of is nothing that a user could change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _copy_of(state: dict[str, Tensor]) -> ForeignNetwork:
    """A network like that whose tensors these are."""
    return ForeignNetwork(import_spandrel().ModelLoader().load_from_state_dict(state)).eval()


def _name(path: Path) -> str:
    """``4x-Name`` of ``4x-Name.pth.tar``."""
    return Path(path.stem).stem if path.suffix.lower() == ".tar" else path.stem


def _told(names: list[str]) -> str:
    """A few names of tensors, for those who ask what a file is."""
    return f"{len(names):,} tensors, as {', '.join(names[:3])}" if names else "no tensors"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
