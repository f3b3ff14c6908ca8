from pathlib import Path

import pytest
import torch
from torch import nn

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.backbones.vgg import VGG19
from nlcunet.training.perceptual import (
    EFFICIENTNET_LITE0_LAYER_WEIGHTS,
    VGG19_LAYER_WEIGHTS,
    PerceptualLoss,
    make_perceptual_loss,
)

EXAMPLES = Path(__file__).parents[2] / "examples"


class Doubling(nn.Module):
    """A backbone whose features are known: the pictures, doubled at each layer."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.norm = nn.BatchNorm2d(3)
        self.saw_gradients = []

    def forward(self, pictures, layers):
        self.saw_gradients.append(torch.is_grad_enabled())
        features = {"first": pictures * self.factor, "second": pictures * self.factor * self.factor}
        return {layer: features[layer] for layer in layers}


@pytest.fixture(scope="module")
def lite_loss():
    return make_perceptual_loss("efficientnet-lite0")


@pytest.fixture(scope="module")
def pair():
    """Sharp and bicubically enlarged patches of the example photograph, 256×256."""
    sharp, low = (
        torch.from_numpy(read_picture(EXAMPLES / name).pixels).permute(2, 0, 1).float() / 255
        for name in ("anhinga_original.webp", "anhinga.png")
    )
    blurred = resize_bicubic(low, sharp.shape[1], sharp.shape[2]).clamp(0.0, 1.0)
    corners = [(0, 256), (512, 512), (1024, 768), (1280, 256)]
    return tuple(
        torch.stack([x[:, top : top + 256, left : left + 256] for top, left in corners]) for x in (sharp, blurred)
    )


def test_loss_is_the_weighted_mean_absolute_distance_of_features():
    loss = PerceptualLoss(Doubling(), {"first": 0.5, "second": 3.0})
    restored, high_res = torch.full((2, 3, 4, 4), 0.75), torch.full((2, 3, 4, 4), 0.25)
    assert loss(restored, high_res).item() == pytest.approx(0.5 * 2 * 0.5 + 3.0 * 4 * 0.5)


def test_backbone_is_frozen_and_stays_in_evaluation_mode():
    backbone = Doubling()
    loss = PerceptualLoss(backbone, {"first": 1.0}).train()
    assert not backbone.norm.training
    restored = torch.rand(1, 3, 4, 4, requires_grad=True)
    loss(restored, torch.rand(1, 3, 4, 4)).backward()
    assert restored.grad.abs().sum() > 0
    assert backbone.factor.grad is None
    assert [parameter for parameter in loss.parameters() if parameter.requires_grad] == []


def test_features_of_the_sharp_picture_are_made_without_a_graph():
    backbone = Doubling()
    high_res = torch.rand(1, 3, 4, 4, requires_grad=True)
    PerceptualLoss(backbone, {"first": 1.0})(torch.rand(1, 3, 4, 4, requires_grad=True), high_res).backward()
    assert backbone.saw_gradients == [False, True]
    assert high_res.grad is None


def test_equal_pictures_have_no_loss(lite_loss):
    picture = torch.rand(1, 3, 32, 32)
    assert lite_loss(picture, picture.clone()).item() == 0.0


def test_bicubic_enlargements_are_about_1_from_their_originals_and_layers_share_it(lite_loss, pair):
    sharp, blurred = pair
    assert lite_loss(blurred, sharp).item() == pytest.approx(1.0, abs=0.25)
    for layer, weight in EFFICIENTNET_LITE0_LAYER_WEIGHTS.items():
        part = PerceptualLoss(lite_loss.backbone, {layer: weight})(blurred, sharp).item()
        assert part == pytest.approx(0.25, abs=0.12), layer


def test_sharper_is_nearer(lite_loss, pair):
    sharp, blurred = pair
    losses = [lite_loss(blurred.lerp(sharp, share), sharp).item() for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0.0


def test_descending_the_loss_brings_a_picture_nearer(lite_loss, pair):
    sharp, blurred = (x[1:2, :, :64, :64] for x in pair)
    picture = blurred.clone().requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=0.01)
    losses = []
    for _ in range(8):
        loss = lite_loss(picture, sharp)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.85 * losses[0]


def test_channels_last_and_bfloat16_are_close_to_float32(lite_loss, pair):
    sharp, blurred = (x[:2, :, :128, :128] for x in pair)
    expected = lite_loss(blurred, sharp)
    lite_loss.to(memory_format=torch.channels_last)
    channels_last = lite_loss(
        blurred.to(memory_format=torch.channels_last), sharp.to(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(channels_last, expected, rtol=1e-4, atol=1e-4)
    restored = blurred.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = lite_loss(restored, sharp)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.03)
    assert torch.isfinite(restored.grad).all()


def test_vgg19_compares_the_papers_layers_by_the_papers_weights(tmp_path):
    assert VGG19_LAYER_WEIGHTS == {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
    network = VGG19()
    path = tmp_path / "vgg19.pth"
    torch.save(network.state_dict(), path)
    loss = make_perceptual_loss("vgg19", path)
    restored, high_res = torch.rand(2, 1, 3, 32, 32).unbind()
    value = loss(restored, high_res)
    seen, expected = (network(x, VGG19_LAYER_WEIGHTS) for x in (restored, high_res))
    by_hand = sum(w * (seen[layer] - expected[layer]).abs().mean() for layer, w in VGG19_LAYER_WEIGHTS.items())
    torch.testing.assert_close(value, by_hand)


def test_layers_can_be_chosen(pair):
    sharp, blurred = (x[:1, :, :64, :64] for x in pair)
    once = make_perceptual_loss("efficientnet-lite0", layer_weights={"stage2": 1.0})(blurred, sharp)
    twice = make_perceptual_loss("efficientnet-lite0", layer_weights={"stage2": 2.0})(blurred, sharp)
    assert twice.item() == pytest.approx(2 * once.item())


@pytest.mark.parametrize("layer_weights", [{"conv1_2": 1.0}, {"stage1": 1.0, "stage9": 1.0}, {}])
def test_unknown_layers_are_refused(layer_weights):
    with pytest.raises(ConfigError, match="perceptual layers must be among stage1"):
        make_perceptual_loss("efficientnet-lite0", layer_weights=layer_weights)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_layer_weights_must_be_positive_numbers(weight):
    with pytest.raises(ConfigError, match="must be a positive number"):
        make_perceptual_loss("efficientnet-lite0", layer_weights={"stage1": weight})


def test_missing_weights_are_told(tmp_path):
    with pytest.raises(WeightsError, match="found no"):
        make_perceptual_loss("vgg19", tmp_path / "vgg19-dcbb9e9d.pth")
