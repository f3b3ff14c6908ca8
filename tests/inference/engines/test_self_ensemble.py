import itertools

import pytest
import torch
from torch import Tensor

from nlcunet.inference.engines.engine import Engine
from nlcunet.inference.engines.self_ensemble import POSITIONS, SelfEnsemble, turn, turn_back
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.tiling.tile_runner import TileRunner

CPU = torch.device("cpu")


def pictures(height: int = 24, width: int = 32) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def engine(tiny):
    return TorchEngine(tiny, CPU, torch.float32)


def test_it_is_an_engine_like_the_one_inside(engine):
    ensemble = SelfEnsemble(engine)
    assert isinstance(ensemble, Engine)
    for name in ("name", "header", "device", "precisions", "tiles_at_once"):
        assert getattr(ensemble, name) == getattr(engine, name)


def test_the_eight_positions_differ_and_are_turned_back_exactly():
    batch = pictures(4, 4)
    turned = [turn(batch, *position) for position in POSITIONS]
    assert all(not torch.equal(*pair) for pair in itertools.combinations(turned, 2))
    batch = pictures(4, 6)
    assert all(torch.equal(turn_back(turn(batch, *position), *position), batch) for position in POSITIONS)


def test_the_result_is_the_mean_over_flips_and_turns_by_hand(engine):
    batch, total = pictures(), 0
    for across, down, swapped in itertools.product((False, True), repeat=3):
        axes = [axis for axis, is_chosen in ((-1, across), (-2, down)) if is_chosen]
        shown = batch.flip(axes).transpose(-1, -2) if swapped else batch.flip(axes)
        result = engine.run(shown.contiguous(), "float32")
        total = total + (result.transpose(-1, -2) if swapped else result).flip(axes)
    ensemble = SelfEnsemble(engine).run(batch, "float32")
    assert torch.allclose(ensemble, total / 8, atol=1e-6)
    assert (ensemble - engine.run(batch, "float32")).abs().max() > 1e-3


@pytest.mark.parametrize("position", POSITIONS)
def test_the_result_turns_and_flips_with_the_picture(engine, position):
    ensemble, batch = SelfEnsemble(engine), pictures()
    turned = ensemble.run(turn(batch, *position).contiguous(), "float32")
    assert torch.allclose(turned, turn(ensemble.run(batch, "float32"), *position), atol=1e-6)


def test_a_network_that_loses_its_way_in_one_position_is_run_again_in_a_steadier_type(engine):
    class Unsteady:
        def __init__(self) -> None:
            self.name, self.header, self.device, self.tiles_at_once = "torch", engine.header, CPU, 1
            self.precisions = ("float16", "float32")

        def run(self, batch: Tensor, precision: str) -> Tensor:
            result = engine.run(batch, "float32")
            is_upright = batch.shape[-2] > batch.shape[-1]
            return result * torch.inf if precision == "float16" and is_upright else result

    tile = pictures()[0]
    with pytest.warns(RuntimeWarning, match="left the range of float16"):
        result = TileRunner(SelfEnsemble(Unsteady()), 4)(tile)
    assert torch.equal(result, SelfEnsemble(engine).run(tile[None], "float32")[0])
