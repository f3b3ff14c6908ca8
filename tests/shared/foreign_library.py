"""What spandrel offers, as far as nlcunet uses it, with one small architecture; for where spandrel is not installed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Shuffle(nn.Module):
    """One convolution of a reach of three pixels, and the picture itself; at ×1, the same without the shuffle.

    Args:
        scale: enlargement.
        channels: 1 or 3.
    """

    def __init__(self, scale: int, channels: int = 3) -> None:
        super().__init__()
        self.scale, self.seen = scale, []
        self.layer = nn.Conv2d(channels, channels * scale**2, 7, padding=3)
        nn.init.normal_(self.layer.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        return F.pixel_shuffle(self.layer(x), self.scale) + F.interpolate(x, scale_factor=self.scale)


@dataclass
class Descriptor:
    """A loaded network, as ``spandrel.ImageModelDescriptor``."""

    model: nn.Module
    scale: int
    channels: tuple[int, int]
    facts: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.input_channels, self.output_channels = self.channels
        self.architecture = SimpleNamespace(id="Shuffle", name="Shuffle net")
        self.purpose = self.facts.get("purpose", "SR")
        self.tags = ["7ks"]
        self.tiling = SimpleNamespace(name="SUPPORTED")
        self.supports_half = self.facts.get("supports_half", True)
        self.supports_bfloat16 = True
        rules = {"minimum": 0, "multiple_of": 1, "square": False}
        self.size_requirements = SimpleNamespace(**{**rules, **self.facts.get("size_requirements", {})})

    def __call__(self, image: Tensor) -> Tensor:
        assert image.shape[0] == 1  # spandrel promises no more
        assert image.is_contiguous()
        assert all(side % self.size_requirements.multiple_of == 0 for side in image.shape[-2:])
        return self.model(image).clamp_(0, 1)


def make_library(**facts: object) -> ModuleType:
    """The library.

    Args:
        facts: what its architecture says of its networks otherwise: purpose, supports_half, size_requirements.
    """

    def load(state: dict[str, Tensor]) -> Descriptor:
        outer, channels = state["layer.weight"].shape[:2]
        model = Shuffle(round((outer // channels) ** 0.5), channels)
        model.load_state_dict(state)
        return Descriptor(model.eval(), model.scale, facts.get("channels", (channels, channels)), facts)

    known = SimpleNamespace(
        detect=lambda state: "layer.weight" in state, architecture=SimpleNamespace(name="Shuffle net", load=load)
    )
    library = ModuleType("spandrel")
    library.__version__ = "0.0"
    library.canonicalize_state_dict = lambda held: held.get("params", held)
    library.MAIN_REGISTRY = SimpleNamespace(architectures=lambda _order: [known])
    library.ModelLoader = lambda: SimpleNamespace(load_from_state_dict=load)
    return library


def save_shuffle(
    path: str, scale: int = 2, channels: int = 3, change: Callable[[dict[str, Tensor]], object] = lambda state: state
) -> Shuffle:
    """A file with random weights; what is given back is the network in it."""
    torch.manual_seed(scale)
    network = Shuffle(scale, channels).eval()
    torch.save(change(dict(network.state_dict())), path)
    return network
