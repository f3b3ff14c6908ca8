"""Small stand-in networks, described like real ones."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nlcunet.models.weights import LoadedModel, WeightsHeader

MakeModel = Callable[..., LoadedModel]


class LocalNetwork(nn.Module):
    """Two 3×3 convolutions and a pixel shuffle: every result depends on 2 pixels around."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale)
        )

    def forward(self, low_res: Tensor) -> Tensor:
        return 0.5 + 0.3 * self.layers(low_res)


class Repeat(nn.Module):
    """Every pixel repeated: exact, and easy to predict."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, low_res: Tensor) -> Tensor:
        return low_res.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)


def describe(network: nn.Module, scale: int, **rules: int) -> LoadedModel:
    header = WeightsHeader(name="stand-in", architecture="stand-in", config={"width": 8}, scale=scale, **rules)
    return LoadedModel(network.eval(), header)


@pytest.fixture
def make_local() -> MakeModel:
    def make(scale: int = 2, **rules: int) -> LoadedModel:
        torch.manual_seed(0)
        return describe(LocalNetwork(scale), scale, **rules)

    return make


@pytest.fixture
def make_repeat() -> MakeModel:
    def make(scale: int = 2, **rules: int) -> LoadedModel:
        return describe(Repeat(scale), scale, **rules)

    return make
