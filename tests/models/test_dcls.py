from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.dcls import DCLS, FILTER_SIZES, MIN_SIZE, DCLSConfig
from nlcunet.models.least_squares import deconvolve, kernel_spectrum, reformulate_kernels
from nlcunet.models.registry import make_network, network_from_config, size_config
from nlcunet.models.weights import describe, find_header, load_model, save_weights

TINY = DCLSConfig(
    width=8, groups=2, blocks=1, head_blocks=1, kernel_size=11, kernel_channels=4, code_length=12, upsampler="direct"
)


def gaussian(size, sigma_x_px, sigma_y_px):
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    kernel = torch.exp(-0.5 * ((axis / sigma_x_px) ** 2 + (axis[:, None] / sigma_y_px) ** 2))
    return (kernel / kernel.sum()).float()


def blur_circular(pictures, kernel):
    height, width = pictures.shape[-2:]
    spectrum = kernel_spectrum(kernel[None, None], height, width)
    return torch.fft.irfft2(torch.fft.rfft2(pictures) * spectrum, s=(height, width))


def test_default_is_the_published_network():
    network = network_from_config(size_config("DCLS"))
    assert isinstance(network, DCLS)
    assert sum(parameter.numel() for parameter in network.parameters()) == 13_626_187


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("upsampler", ["stepwise", "direct"])
def test_output_is_scale_times_the_input(scale, upsampler):
    network = DCLS(replace(TINY, scale=scale, upsampler=upsampler))
    assert network(torch.rand(2, 3, 9, 12)).shape == (2, 3, 9 * scale, 12 * scale)


@pytest.mark.parametrize("size", [(7, 7), (7, 20), (8, 9), (13, 11), (31, 17)])
@pytest.mark.parametrize("kernel_size", FILTER_SIZES)
def test_every_size_from_the_smallest_works(size, kernel_size):
    height, width = size
    with torch.no_grad():
        estimate = DCLS(replace(TINY, kernel_size=kernel_size)).forward_with_kernels(torch.rand(1, 3, height, width))
    assert estimate.picture.shape == (1, 3, 4 * height, 4 * width)
    assert estimate.kernel.shape == (1, kernel_size, kernel_size)
    assert torch.isfinite(estimate.picture).all()


def test_header_names_the_smallest_size():
    header = describe(DCLS(TINY), "4x-Tiny")
    assert (header.min_size, header.size_multiple, header.tile_overlap) == (MIN_SIZE, 1, 32)
    with pytest.raises(RuntimeError):
        DCLS(TINY)(torch.rand(1, 3, MIN_SIZE - 1, MIN_SIZE))


@pytest.mark.parametrize("kernel_size", FILTER_SIZES)
def test_fresh_estimator_answers_nearly_no_blur(kernel_size):
    with torch.no_grad():
        kernel = DCLS(replace(TINY, kernel_size=kernel_size)).estimator(torch.rand(2, 3, 12, 12))
    centre = kernel_size // 2
    torch.testing.assert_close(kernel.sum(dim=(1, 2)), torch.ones(2))
    assert (kernel[:, centre, centre] > 0.8).all()


def test_product_of_the_small_kernels_is_their_convolution():
    estimator = DCLS(TINY).estimator
    for layer in estimator.filters:
        torch.nn.init.normal_(layer.weight, std=0.1)
    low_res = torch.rand(2, 3, 12, 12)
    with torch.no_grad():
        kernels = estimator(low_res)
        features = estimator.tail(estimator.head(low_res) + estimator.body(estimator.head(low_res)))
        code = estimator.code(features.mean(dim=(2, 3), keepdim=True)).flatten(1)
        dot = F.pad(torch.ones(1, 3, 1, 1), (10,) * 4)
        for index in range(2):
            layered = dot
            for layer, shape in zip(estimator.filters, estimator.filter_shapes, strict=True):
                layered = F.conv2d(layered, layer(code[index : index + 1]).view(shape))
            expected = layered.mean(dim=(0, 1)).flip((0, 1))
            torch.testing.assert_close(kernels[index], expected / expected.sum(), rtol=1e-4, atol=1e-5)


def test_estimate_ends_with_the_picture_of_forward():
    network = DCLS(TINY)
    low_res = torch.rand(2, 3, 9, 12)
    with torch.no_grad():
        estimate = network.forward_with_kernels(low_res)
        assert torch.equal(estimate.picture, network(low_res))
    assert isinstance(network, BlindNetwork)
    assert (len(estimate.pictures), len(estimate.kernels), estimate.codes) == (1, 1, ())


def test_restorer_and_estimator_learn_apart_and_together_every_parameter_learns():
    network = DCLS(TINY)
    for name, parameter in network.named_parameters():
        if name.endswith("squeeze.bias"):  # the rectifier behind so few channels could be shut for good
            torch.nn.init.ones_(parameter)
    estimate = network.forward_with_kernels(torch.rand(2, 3, 12, 10))
    for value, part in ((estimate.picture, "restorer."), (estimate.kernel, "estimator.")):
        network.zero_grad(set_to_none=True)
        value.square().sum().backward(retain_graph=True)
        learning = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert learning == {name for name, _ in network.named_parameters() if name.startswith(part)}


def test_same_input_gives_the_same_bits_twice():
    network = DCLS(TINY)
    low_res = torch.rand(2, 3, 12, 10)
    with torch.no_grad():
        assert torch.equal(network(low_res), network(low_res))


def test_batched_pictures_do_not_see_each_other():
    network = DCLS(TINY)
    low_res = torch.rand(3, 3, 9, 12)
    with torch.no_grad():
        together, alone = network(low_res), torch.cat([network(one[None]) for one in low_res])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_channels_last_changes_nothing():
    network = DCLS(TINY)
    low_res = torch.rand(2, 3, 9, 12)
    with torch.no_grad():
        expected = network(low_res)
        channels_last = network.to(memory_format=torch.channels_last)(
            low_res.contiguous(memory_format=torch.channels_last)
        )
    torch.testing.assert_close(channels_last, expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_stays_near_float32_and_kernels_stay_float32():
    network = DCLS(TINY)
    low_res = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected = network.forward_with_kernels(low_res)
        with torch.autocast("cpu", torch.bfloat16):
            estimate = network.forward_with_kernels(low_res)
    assert estimate.kernel.dtype == torch.float32
    torch.testing.assert_close(estimate.picture.float(), expected.picture, rtol=0, atol=0.05)
    torch.testing.assert_close(estimate.kernel, expected.kernel, rtol=0, atol=0.01)


def test_weights_survive_a_round_trip(tmp_path):
    network = DCLS(replace(TINY, scale=2))
    header = describe(network, "2x-Tiny")
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network, header, half=False)
    loaded = load_model(path)
    assert find_header(path) == loaded.header == header
    assert (header.architecture, header.scale) == ("DCLS", 2)
    assert loaded.network.config == network.config
    low_res = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(loaded.network(low_res), network(low_res))


@pytest.mark.parametrize(("height", "width"), [(20, 31), (33, 24)])
def test_deconvolution_undoes_a_blur(height, width):
    kernel = gaussian(11, 0.8, 0.6)
    # Flat borders: what is continued beyond them is what the blur saw.
    sharp = F.pad(torch.rand(1, 4, height - 16, width - 16), (8,) * 4, value=0.5)
    padded = F.pad(sharp, (11,) * 4, mode="replicate")
    blurred = blur_circular(padded, kernel)[..., 11:-11, 11:-11]
    restored = deconvolve(blurred, kernel[None, None], torch.zeros(1, 4, 3, 3))
    torch.testing.assert_close(restored, sharp, rtol=0, atol=1e-3)
    assert (blurred - sharp).abs().max() > 0.1


def test_deconvolution_by_a_dot_changes_nothing():
    dot = torch.zeros(2, 1, 11, 11)
    dot[..., 5, 5] = 1
    features = torch.rand(2, 3, 9, 14)
    torch.testing.assert_close(deconvolve(features, dot, torch.zeros(2, 3, 3, 3)), features, rtol=0, atol=1e-5)


def test_regulariser_tames_frequencies_that_the_blur_erased():
    kernel = gaussian(11, 3.0, 3.0)[None, None]
    noise = torch.rand(1, 1, 32, 32)
    laplacian = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])[None, None]
    without, guarded = (deconvolve(noise, kernel, weight * laplacian) for weight in (0.0, 0.1))
    assert torch.isfinite(without).all()
    assert guarded.std() < 1e-2 * without.std()


def test_regulariser_is_per_channel():
    kernel = gaussian(11, 1.0, 1.0)[None, None]
    features = torch.rand(1, 1, 16, 16).expand(1, 2, 16, 16)
    regulariser = torch.zeros(1, 2, 3, 3)
    regulariser[0, 1] = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    first, second = deconvolve(features, kernel, regulariser)[0]
    torch.testing.assert_close(first, deconvolve(features[:, :1], kernel, regulariser[:, :1])[0, 0])
    assert second.std() < first.std()


@pytest.mark.parametrize(("sigma_x_px", "sigma_y_px"), [(0.6, 0.6), (1.2, 0.7)])
def test_reformulated_kernel_is_the_kernel_between_two_pictures(sigma_x_px, sigma_y_px):
    kernel = gaussian(11, sigma_x_px, sigma_y_px)
    plain = torch.rand(2, 3, 32, 40)
    found = reformulate_kernels(blur_circular(plain, kernel), plain, 11)
    negligible = 0.75 * kernel.flatten().sort(descending=True).values[40]
    expected = (kernel - negligible).clamp_min(0)
    torch.testing.assert_close(found, (expected / expected.sum()).expand(2, 11, 11), rtol=0, atol=1e-3)


def test_reformulated_kernel_of_flat_pictures_is_a_dot():
    flat = torch.zeros(1, 3, 16, 16)
    dot = torch.zeros(1, 11, 11)
    dot[0, 5, 5] = 1
    torch.testing.assert_close(reformulate_kernels(flat, flat, 11), dot)


def test_pictures_smaller_than_their_kernels_are_refused():
    with pytest.raises(ConfigError, match="at least as large as their kernels, 21 px: got 30×20"):
        reformulate_kernels(torch.rand(1, 3, 20, 30), torch.rand(1, 3, 20, 30), 21)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 5}, "scale must be 2, 3 or 4: got 5"),
        ({"groups": 0}, "groups must be ≥ 1: got 0"),
        ({"width": 3}, "width must be at least reduction: got 3 and 4"),
        ({"kernel_size": 13}, "kernel_size must be one of .*: got 13"),
        ({"upsampler": "nearest"}, "upsampler must be one of .*: got 'nearest'"),
        ({"skip": "nearest"}, "skip must be one of .*: got 'nearest'"),
    ],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DCLSConfig(**change)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="does not fit DCLS"):
        make_network("DCLS", {"depth": 3})
