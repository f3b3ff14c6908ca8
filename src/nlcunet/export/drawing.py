"""From a network to a graph: the forms that exporters can draw, and the drawing itself.

One graph takes every batch and every size that the network takes. Beside the picture it can give, for every layer of
sparse attention, the queries, the bucket of every token and their order: what a verification looks at.

torch.export records facts about sizes that held in the example ("the batch is larger than one"), which nothing in the
graph depends on: they come from its guesses of memory layouts. They are left out, and the verification runs the sizes
that they would have refused.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from nlcunet.errors import ExportError
from nlcunet.export.drawable import DrawableBicubic, HalfConvolution
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.bicubic import Bicubic
from nlcunet.models.dcls import DCLS
from nlcunet.models.weights import LoadedModel, WeightsHeader

MOST_PIXELS = 8192
"""Longest side that a graph declares; a bound that exporters want, far above any tile."""
EXAMPLE_SIDES = (64, 96)
"""Height and width of the tile that is traced: unequal, so that they cannot be mistaken for each other."""


class WatchedNetwork(nn.Module):
    """A network in the forms that exporters can draw, which also tells what its sparse attention did.

    Args:
        model: the network, copied and left as it is.
        precision: ``"float32"``, or ``"float16"`` for convolutions in half precision.
        is_watched: answer with queries, buckets and order of every sparse layer, too.
    """

    def __init__(self, model: LoadedModel, precision: str = "float32", *, is_watched: bool = True) -> None:
        super().__init__()
        self.network = drawable(model.network, precision)
        self.layers = tuple(
            layer
            for layer in self.network.modules()
            if isinstance(layer, NonLocalAttention) and layer.kind == "sparse" and is_watched
        )
        self._seen: list[Tensor] = []
        for layer in self.layers:
            layer.sorter.register_forward_hook(self._look)

    def _look(self, _sorter: nn.Module, inputs: tuple[Tensor, Tensor], outputs: tuple[Tensor, Tensor]) -> None:
        self._seen += [inputs[0], *outputs]

    def forward(self, low_res: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """The enlarged picture, then queries, buckets and order layer by layer."""
        self._seen.clear()
        picture = self.network(low_res)
        seen = tuple(self._seen)
        self._seen.clear()
        return (picture, *seen)

    def watch(self, low_res: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """What ``forward`` gives, computed the way it is drawn: no shortcut that is for computing without gradients."""
        with torch.enable_grad():
            return tuple(each.detach() for each in self(low_res))


def drawable(network: nn.Module, precision: str = "float32") -> nn.Module:
    """A copy of a network, on the CPU, whose every part exporters can draw; the numbers stay."""
    if isinstance(network, Bicubic):
        return DrawableBicubic(network.scale)
    drawn = copy.deepcopy(network).cpu().eval().requires_grad_(requires_grad=False)
    for module in drawn.modules():
        if isinstance(module, NonLocalAttention):
            module.implementation = "exported"
    if precision == "float16":
        _halve_convolutions(drawn)
    return drawn


def _halve_convolutions(module: nn.Module) -> None:
    """Let convolutions compute in half precision, but those of attention, whose buckets hang on their last digits."""
    for name, child in module.named_children():
        if isinstance(child, NonLocalAttention):
            continue
        if isinstance(child, nn.Conv2d):
            setattr(module, name, HalfConvolution(child))
        else:
            _halve_convolutions(child)


def draw(model: LoadedModel, precision: str = "float32", *, is_watched: bool = True) -> ExportedProgram:
    """A network as a graph of PyTorch's operators.

    Raises:
        ExportError: PyTorch cannot draw this network.
    """
    if isinstance(model.network, DCLS):
        raise ExportError(
            "the network must be one that can be drawn for any batch and size: DCLS is none, because its estimated "
            "kernels are the weights of its convolutions and its Fourier transforms know no exchange format; "
            "use --engine torch"
        )
    watched = WatchedNetwork(model, precision, is_watched=is_watched)
    example = torch.rand(2, 3, *(_allowed(side, model.header) for side in EXAMPLE_SIDES))
    try:
        with _open_sizes(), torch.enable_grad(), quiet():  # shortcuts for computing without gradients are no graph
            graph = torch.export.export(watched, (example,), dynamic_shapes=_sizes(model.header), strict=False)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(f"{model.header.name} could not be drawn by torch.export: {reason}") from error
    kept = [guard for guard in graph._guards_code if not guard.endswith((" > 1", " != 1"))]  # noqa: SLF001
    graph._guards_code = kept  # noqa: SLF001 - see the module's docstring
    return graph


def _allowed(side: int, header: WeightsHeader) -> int:
    multiple = header.size_multiple
    return -(-max(side, header.min_size) // multiple) * multiple


def _sizes(header: WeightsHeader) -> tuple[dict[int, Dim]]:
    """Batch, height and width as unknowns; sides in multiples of what the network takes."""
    multiple = header.size_multiple
    least, most = -(-header.min_size // multiple), MOST_PIXELS // multiple
    sides = [Dim(name, min=least, max=most) for name in ("height", "width")]
    if multiple > 1:
        sides = [multiple * side for side in sides]
    return ({0: Dim("batch", min=1, max=1024), 2: sides[0], 3: sides[1]},)


@contextmanager
def _open_sizes() -> Iterator[None]:
    """Let torch.export treat 0 and 1 like other sizes, for one chunk and for a batch of one."""
    from torch.fx.experimental import _config

    before = _config.backed_size_oblivious
    _config.backed_size_oblivious = True
    try:
        yield
    finally:
        _config.backed_size_oblivious = before


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of libraries about themselves, which no user can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
