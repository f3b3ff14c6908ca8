"""Distances of networks: formulas against NumPy, published files by shape, and what must hold for pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.pipeline import blur
from nlcunet.errors import ConfigError, WeightsError
from nlcunet.evaluation.perceptual import (
    load_dists,
    load_effnet_lite0_distance,
    load_lpips,
    similarities,
    sum_over_layers,
)
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.models.backbones.feature_stacks import L2Pool, make_alexnet, make_vgg16
from nlcunet.models.backbones.pretrained import load_efficientnet_lite0
from nlcunet.tensors import round_to_8bit

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "anhinga_original.webp"
# positions of the convolutions in torchvision's ``features``, and what stands in front of them
ALEXNET = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
ALEXNET_POOLED = {3, 6}
VGG16_POSITIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG16_POOLED = {5, 10, 17, 24}
VGG16_LAST = {2, 7, 14, 21, 28}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the published names and shapes, with random values."""
    folder = tmp_path_factory.mktemp("weights")
    random = torch.Generator().manual_seed(0)
    for name, network in (("alexnet", make_alexnet()), ("vgg16", make_vgg16())):
        state = {}
        for key, value in network.state_dict().items():
            fan_in = value[0].numel() if value.ndim == 4 else 100
            state[key] = torch.randn(value.shape, generator=random) * (2 / fan_in) ** 0.5
        classifier = {"classifier.1.weight": torch.zeros(2, 2), "classifier.1.bias": torch.zeros(2)}
        torch.save(state | classifier, folder / f"{name}.pth")
    for name, channels in (("alex", (64, 192, 384, 256, 256)), ("vgg", (64, 128, 256, 512, 512))):
        lins = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=random) for i, c in enumerate(channels)}
        torch.save(lins, folder / f"{name}.pth")
    dists = {name: torch.rand(1, 1475, 1, 1, generator=random) for name in ("alpha", "beta")}
    torch.save(dists, folder / "weights.pt")
    return folder


@pytest.fixture(scope="module")
def distances(folder):
    return {
        "effnet_lite0": load_effnet_lite0_distance(),
        "lpips_alex": load_lpips(folder / "alexnet.pth", folder / "alex.pth"),
        "lpips_vgg": load_lpips(folder / "vgg16.pth", folder / "vgg.pth", "vgg"),
        "dists": load_dists(folder / "vgg16.pth", folder / "weights.pt"),
    }


@pytest.fixture(scope="module")
def photograph():
    """A part of the example photograph at half its size: 192 × 160, RGB in [0, 1]."""
    pixels = torch.from_numpy(read_picture(PHOTOGRAPH).pixels).permute(2, 0, 1).float()[:, 300:684, 300:620] / 255
    return round_to_8bit(resize_bicubic(pixels, 192, 160))[None]


def two_pictures(size=40):
    return torch.rand(2, 1, 3, size, size + 3, generator=torch.Generator().manual_seed(1)).unbind(0)


def alexnet_layers(picture, state):
    found, x = [], picture
    for position, (stride, padding) in ALEXNET.items():
        if position in ALEXNET_POOLED:
            x = F.max_pool2d(x, 3, 2)
        x = F.conv2d(x, state[f"features.{position}.weight"], state[f"features.{position}.bias"], stride, padding)
        x = x.relu()
        found.append(x.double().numpy()[0])
    return found


def vgg16_layers(picture, state, pool):
    found, x = [], picture
    for position in VGG16_POSITIONS:
        if position in VGG16_POOLED:
            x = pool(x)
        x = F.conv2d(x, state[f"features.{position}.weight"], state[f"features.{position}.bias"], padding=1).relu()
        if position in VGG16_LAST:
            found.append(x.double().numpy()[0])
    return found


def unit_length(features):
    return features / (np.sqrt((features**2).sum(axis=0)) + 1e-10)


def numpy_lpips(layers_a, layers_b, lins):
    total = 0.0
    for number, (a, b) in enumerate(zip(layers_a, layers_b, strict=True)):
        difference = unit_length(a) - unit_length(b)
        weight = lins[f"lin{number}.model.1.weight"].double().numpy()[0]
        total += (weight * difference**2).sum(axis=0).mean()
    return total


def numpy_dists(layers_a, layers_b, alpha, beta):
    """1 − Σ (α l + β s), with α and β divided by their common sum; written per channel, as in the paper's equation."""
    whole = alpha.sum() + beta.sum()
    score, channel = 0.0, 0
    for a, b in zip(layers_a, layers_b, strict=True):
        for x, y in zip(a, b, strict=True):
            luminance = (2 * x.mean() * y.mean() + 1e-6) / (x.mean() ** 2 + y.mean() ** 2 + 1e-6)
            covariance = (x * y).mean() - x.mean() * y.mean()
            structure = (2 * covariance + 1e-6) / (x.var() + y.var() + 1e-6)
            score += (alpha[channel] * luminance + beta[channel] * structure) / whole
            channel += 1
    return 1 - score


# Formulas


def test_lpips_through_alexnet_is_its_formula(folder, distances):
    a, b = two_pictures()
    state, lins = (torch.load(folder / name, weights_only=True) for name in ("alexnet.pth", "alex.pth"))
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    layers = [alexnet_layers((2 * x - 1 - shift) / scale, state) for x in (a, b)]
    assert distances["lpips_alex"](a, b).item() == pytest.approx(numpy_lpips(*layers, lins), rel=1e-4)


def test_lpips_through_vgg16_is_its_formula(folder, distances):
    a, b = two_pictures()
    state, lins = (torch.load(folder / name, weights_only=True) for name in ("vgg16.pth", "vgg.pth"))
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    layers = [vgg16_layers((2 * x - 1 - shift) / scale, state, lambda y: F.max_pool2d(y, 2)) for x in (a, b)]
    assert distances["lpips_vgg"](a, b).item() == pytest.approx(numpy_lpips(*layers, lins), rel=1e-4)


def test_dists_is_its_formula(folder, distances):
    def pool(x):
        window = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).expand(x.shape[1], 1, 3, 3) / 16
        return (F.conv2d(x**2, window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()

    a, b = two_pictures()
    state, weights = (torch.load(folder / name, weights_only=True) for name in ("vgg16.pth", "weights.pt"))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    layers = [[x.double().numpy()[0], *vgg16_layers((x - mean) / std, state, pool)] for x in (a, b)]
    expected = numpy_dists(*layers, weights["alpha"].flatten().numpy(), weights["beta"].flatten().numpy())
    assert distances["dists"](a, b).item() == pytest.approx(expected, rel=1e-3)


def test_a_tiny_case_by_hand():
    # one pixel, two channels: unit vectors (0.6, 0.8) and (1, 0), weights 1 and 10: 0.16 + 6.4
    layer = torch.tensor([[3.0, 4.0], [5.0, 0.0]]).view(2, 2, 1, 1)
    assert sum_over_layers([layer]).item() == pytest.approx(0.16 + 0.64)
    weights = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1)
    assert sum_over_layers([layer, layer], [weights, weights]).item() == pytest.approx(2 * (0.16 + 6.4))
    # two pixels, one channel: (1, 3) and (2, 2): means 2 and 2, variances 1 and 0, covariance 0
    texture, structure = similarities(torch.tensor([[1.0, 3.0], [2.0, 2.0]]).view(2, 1, 1, 2))
    assert texture.item() == 1.0
    assert structure.item() == pytest.approx(1e-6 / (1 + 1e-6))


def test_effnet_lite0_distance_is_its_formula(distances):
    a, b = two_pictures(64)
    backbone = load_efficientnet_lite0()
    total = 0.0
    for layer in ("stage5", "stage6", "stage7"):
        x, y = (backbone(picture, [layer])[layer].detach().double().numpy()[0] for picture in (a, b))
        total += ((unit_length(x) - unit_length(y)) ** 2).sum(axis=0).mean() / 3
    assert distances["effnet_lite0"](a, b).item() == pytest.approx(total, rel=1e-4)


def test_l2_pooling_halves_and_keeps_constants():
    pooled = L2Pool()(torch.full((1, 2, 9, 8), 3.0))
    assert pooled.shape == (1, 2, 5, 4)
    torch.testing.assert_close(pooled[..., 1:-1, 1:-1], torch.full((1, 2, 3, 2), 3.0))


# Pictures


@pytest.mark.parametrize("name", ["effnet_lite0", "lpips_alex", "lpips_vgg", "dists"])
def test_equal_pictures_have_no_distance_and_order_does_not_matter(distances, name):
    a, b = two_pictures()
    distance = distances[name]
    assert distance(a, a).item() == 0.0
    assert distance(a, b).item() > 0
    assert distance(a, b).item() == pytest.approx(distance(b, a).item(), rel=1e-5)


@pytest.mark.parametrize("name", ["effnet_lite0", "lpips_alex", "lpips_vgg", "dists"])
def test_each_pair_of_a_batch_has_its_own_distance(distances, name):
    a, b = (torch.rand(3, 3, 40, 36, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    alone = torch.cat([distances[name](a[i : i + 1], b[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(distances[name](a, b), alone, rtol=1e-4, atol=1e-6)


def test_effnet_lite0_distance_grows_with_blur_noise_and_compression(distances, photograph):
    distance = distances["effnet_lite0"]
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0)) / 255
    series = {
        "blur": [blur(photograph, isotropic_gaussian(21, sigma)) for sigma in (0.6, 1.0, 1.6, 2.4, 4.0)],
        "noise": [photograph + std * noise for std in (2, 5, 10, 20, 40)],
        "jpeg": [compress_jpeg(photograph[0], quality, chroma="4:2:0")[None] for quality in (95, 80, 50, 20, 5)],
    }
    for name, pictures in series.items():
        values = [distance(round_to_8bit(picture), photograph).item() for picture in pictures]
        assert values == sorted(values), name
        assert values[0] > 0


def test_effnet_lite0_distance_prefers_a_little_noise_to_much_blur(distances, photograph):
    distance = distances["effnet_lite0"]
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0)) / 255
    noisy, blurred = photograph + 5 * noise, blur(photograph, isotropic_gaussian(21, 2.4))
    assert (noisy - photograph).square().mean() < (blurred - photograph).square().mean()
    assert distance(noisy, photograph).item() < 0.6 * distance(blurred, photograph).item()


@torch.no_grad()
def test_early_stages_would_overrate_noise_that_nobody_sees():
    backbone = load_efficientnet_lite0()
    pixels = torch.from_numpy(read_picture(PHOTOGRAPH).pixels).permute(2, 0, 1).float()[:, :512, :512] / 255
    photograph = round_to_8bit(resize_bicubic(pixels, 256, 256))[None]  # mostly smooth ground
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0)) / 255
    pair = torch.cat([round_to_8bit(photograph + 2 * noise), blur(photograph, isotropic_gaussian(21, 0.8)), photograph])

    def noise_over_blur(layer):
        features = backbone(pair, [layer])[layer]
        by_noise, by_blur = (sum_over_layers([features[[i, 2]]]).item() for i in (0, 1))
        return by_noise / by_blur

    early, late = (
        [noise_over_blur(layer) for layer in layers] for layers in (("stage2", "stage3"), ("stage6", "stage7"))
    )
    assert min(early) > 1.5
    assert max(late) < 1.2


def test_a_shift_of_a_pixel_counts_less_than_blur(distances, photograph):
    distance = distances["effnet_lite0"]
    shifted, blurred = photograph.roll(1, dims=-1), blur(photograph, isotropic_gaussian(21, 1.6))
    assert (shifted - photograph).square().mean() > (blurred - photograph).square().mean() * 0.5
    assert distance(shifted, photograph).item() < 0.3 * distance(blurred, photograph).item()


@pytest.mark.parametrize(("name", "smallest"), [("lpips_alex", 31), ("lpips_vgg", 16), ("dists", 16)])
def test_the_smallest_picture_passes_and_a_smaller_one_is_refused(distances, name, smallest):
    assert distances[name](torch.rand(1, 3, smallest, 40), torch.rand(1, 3, smallest, 40)).isfinite().all()
    small = torch.rand(1, 3, smallest - 1, 40)
    with pytest.raises(ConfigError, match=f"at least {smallest} pixels on both sides: got {smallest - 1} × 40"):
        distances[name](small, small)


def test_distances_have_nothing_to_train(distances):
    for distance in distances.values():
        assert not any(parameter.requires_grad for parameter in distance.parameters())
        assert not distance.training


# Files


def test_missing_files_are_told_with_their_address(folder):
    missing = folder / "none.pth"
    with pytest.raises(
        WeightsError, match=r"found no .*fetch https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
    ):
        load_lpips(missing, folder / "alex.pth")
    with pytest.raises(WeightsError, match=r"fetch https://download.pytorch.org/models/vgg16-397923af.pth"):
        load_lpips(missing, folder / "vgg.pth", "vgg")
    with pytest.raises(WeightsError, match=r"weights/v0.1/alex.pth in the PyPI package lpips \(BSD-2-Clause"):
        load_lpips(folder / "alexnet.pth", missing)
    with pytest.raises(WeightsError, match=r"weights.pt in the PyPI package DISTS-pytorch \(MIT"):
        load_dists(folder / "vgg16.pth", missing)


def test_files_of_the_other_network_are_refused(folder):
    with pytest.raises(WeightsError, match="must hold the weights of FeatureStack"):
        load_lpips(folder / "vgg16.pth", folder / "alex.pth")
    with pytest.raises(
        WeightsError, match=r"lin1.model.1.weight of shape \(1, 192, 1, 1\): got shape \(1, 128, 1, 1\)"
    ):
        load_lpips(folder / "alexnet.pth", folder / "vgg.pth")
    with pytest.raises(WeightsError, match=r"must hold alpha of shape \(1, 1475, 1, 1\): got none"):
        load_dists(folder / "vgg16.pth", folder / "vgg.pth")


def test_only_two_networks_are_known(folder):
    with pytest.raises(ConfigError, match="one of alex, vgg"):
        load_lpips.__wrapped__(folder / "alexnet.pth", folder / "alex.pth", "squeeze")


def test_layers_have_torchvisions_names_and_sizes():
    # https://docs.pytorch.org/vision/stable/_modules/torchvision/models/alexnet.html and …/vgg.html
    assert [name for name in make_alexnet().state_dict() if "weight" in name] == [
        f"features.{i}.weight" for i in ALEXNET
    ]
    names = [f"features.{i}.weight" for i in VGG16_POSITIONS]
    assert [name for name in make_vgg16(L2Pool).state_dict() if "weight" in name] == names
    assert sum(parameter.numel() for parameter in make_alexnet().parameters()) == 2_469_696
    assert sum(parameter.numel() for parameter in make_vgg16().parameters()) == 14_714_688
