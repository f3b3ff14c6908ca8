"""Costs: operations counted right, time and memory measured, kept for the next run."""

import pytest
import torch

from nlcunet.evaluation import cost, machine
from nlcunet.evaluation.cost import COST_FIELDS, count_flop, with_cost
from nlcunet.evaluation.machine import describe_machine, median_seconds
from nlcunet.evaluation.systems import load_systems
from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig

CPU = torch.device("cpu")


@pytest.mark.slow
def test_operations_of_the_published_network_are_those_known():
    # 108 GFLOP at 64×64 and ×4, two per multiply-add, most of it attention and the gated feed-forward.
    with torch.device("meta"):
        network = NLCUnet(NLCUnetConfig())
    network = network.to_empty(device="cpu")
    for values in (*network.parameters(), *network.buffers()):
        if values.is_floating_point():
            values.data.normal_(0, 0.02)
    assert count_flop(network.eval(), torch.rand(1, 3, 64, 64)) / 1e9 == pytest.approx(108, abs=1)


def test_a_convolution_has_two_operations_for_each_multiply_add():
    network = torch.nn.Conv2d(3, 5, 3, padding=1, bias=False)
    assert count_flop(network, torch.rand(1, 3, 16, 16)) == 2 * 5 * 3 * 9 * 16 * 16


class Attention(torch.nn.Module):
    """Every pixel attends to every pixel."""

    def forward(self, low_res):
        pixels = low_res.flatten(2).transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(pixels, pixels, pixels)


def test_attention_has_two_matrix_products():
    assert count_flop(Attention(), torch.rand(1, 3, 16, 16)) == 2 * (2 * 256 * 256 * 3)


def test_costs_are_measured_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "REPEATS", 1)
    _, system = load_systems(["4x-NLCUnet-S"], 4, CPU)
    found = with_cost(system, 32, CPU, "a machine", tmp_path)
    facts = found.facts
    assert (facts.cost_size_px, facts.machine) == (32, "a machine")
    assert facts.seconds > 0
    assert 0 < facts.gflop < 2
    assert facts.peak_mib is None or 0 < facts.peak_mib < 1000
    monkeypatch.setattr(cost, "measure_cost", None)
    again = with_cost(system, 32, CPU, "measured again", tmp_path)
    assert [getattr(again.facts, name) for name in COST_FIELDS] == [getattr(facts, name) for name in COST_FIELDS]
    with pytest.raises(TypeError):
        with_cost(system, 64, CPU, "a machine", tmp_path)


def test_pictures_of_other_programs_cost_nothing_that_is_known(counting):
    system = counting().system
    assert with_cost(system, 32, CPU, "a machine", None) is system


def test_the_machine_is_named_with_its_rate(monkeypatch):
    monkeypatch.setattr(machine, "matrix_rate_gflops", lambda **_: 42.0)
    assert "42 GFLOP/s float32 matrix product" in describe_machine()


def test_the_matrix_rate_is_a_rate():
    assert 0.1 < machine.matrix_rate_gflops(64) < 1e6


def test_times_are_medians_after_a_warm_up():
    calls = []
    assert median_seconds(lambda: calls.append(1), 5) < 0.1
    assert len(calls) == 6
