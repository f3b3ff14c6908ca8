"""Networks as functions, with tiny ones in place of trained ones."""

import torch
from torch import nn

from nlcunet.evaluation import enlargers
from nlcunet.evaluation.enlargers import tiled_enlarger, whole_picture_enlarger
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.weights import LoadedModel, WeightsHeader, load_model

CPU = torch.device("cpu")


def nearest(low_res):
    return low_res.repeat_interleave(4, -1).repeat_interleave(4, -2)


class Picky(nn.Module):
    """Enlarges by pixel repetition, and takes only multiples of 8."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, low_res):
        assert low_res.shape[-1] % 8 == 0
        assert low_res.shape[-2] % 8 == 0
        self.batches.append(len(low_res))
        return nearest(low_res)


def picky_model():
    return LoadedModel(
        Picky(), WeightsHeader(name="picky", architecture="Bicubic", config={}, scale=4, size_multiple=8, min_size=8)
    )


def test_padding_is_added_and_cut_off_again():
    low_res = torch.rand(2, 3, 13, 18)
    assert torch.equal(whole_picture_enlarger(picky_model(), CPU)(low_res), nearest(low_res))


def test_tiles_of_a_local_network_give_the_whole_picture():
    low_res = torch.rand(2, 3, 45, 70)
    tiled = tiled_enlarger(picky_model(), CPU, 32)(low_res)
    torch.testing.assert_close(tiled, nearest(low_res), atol=1e-6, rtol=0)


def test_tiles_are_not_seen_whole():
    model = picky_model()
    tiled_enlarger(model, CPU, 32)(torch.rand(1, 3, 70, 70))
    assert len(model.network.batches) > 1


def test_large_batches_are_split(monkeypatch):
    monkeypatch.setattr(enlargers, "BATCH_PIXELS", 3 * 16 * 16)
    model = picky_model()
    low_res = torch.rand(8, 3, 16, 16)
    assert torch.equal(whole_picture_enlarger(model, CPU)(low_res), nearest(low_res))
    assert model.network.batches == [3, 3, 2]


def test_the_bicubic_model_is_bicubic_enlargement():
    low_res = torch.rand(1, 3, 11, 7)
    assert torch.equal(whole_picture_enlarger(load_model("bicubic-x4"), CPU)(low_res), resize_bicubic(low_res, 44, 28))
