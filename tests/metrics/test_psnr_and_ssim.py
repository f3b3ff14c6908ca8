"""PSNR and SSIM: golden numbers of the original research code, and what must hold for every picture."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.errors import ConfigError
from nlcunet.metrics.psnr import psnr_of_planes, psnr_rgb, psnr_y
from nlcunet.metrics.ssim import ssim_of_planes, ssim_rgb, ssim_y

GOLDEN = np.load(Path(__file__).parents[1] / "assets" / "degradations_and_metrics.npz")
METRICS = [psnr_y, psnr_rgb, ssim_y, ssim_rgb]
seeds = st.integers(0, 2**31)


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name]).permute(2, 0, 1)[None] / 255


def picture(seed=0, batch=1, height=24, width=20):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("metric", "name"), [(psnr_y, "psnr_y"), (ssim_y, "ssim_y"), (psnr_rgb, "psnr_rgb")])
def test_metric_matches_the_original_code(metric, name):
    value = metric(golden("metric_a"), golden("metric_b"), border=4)
    assert value.shape == (1,)
    assert value.item() == pytest.approx(float(GOLDEN[f"{name}_crop4"]), abs=1e-5)


def test_rgb_ssim_is_the_mean_of_the_channels():
    a, b = golden("metric_a"), golden("metric_b")
    channels = [ssim_of_planes(a[:, [c]].double() * 255, b[:, [c]].double() * 255) for c in range(3)]
    torch.testing.assert_close(ssim_rgb(a, b, border=0), torch.stack(channels).mean(0), atol=1e-6, rtol=0)


def test_one_step_of_grey_everywhere_is_a_known_psnr():
    grey = torch.full((1, 3, 16, 16), 100 / 255)
    brighter = grey + 1 / 255
    assert psnr_rgb(grey, brighter, border=2).item() == pytest.approx(20 * math.log10(255))
    assert psnr_y(grey, brighter, border=2).item() == pytest.approx(20 * math.log10(255 * 255 / 219))


def test_flat_pictures_have_the_ssim_of_their_means():
    dark, bright = (torch.full((1, 1, 12, 12), value, dtype=torch.float64) for value in (50.0, 150.0))
    c1 = 2.55**2
    expected = (2 * 50 * 150 + c1) / (50**2 + 150**2 + c1)
    assert ssim_of_planes(dark, bright).item() == pytest.approx(expected)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, border=st.integers(0, 4))
def test_order_of_the_two_pictures_does_not_matter(seed, border):
    a, b = picture(seed), picture(seed + 1)
    for metric in METRICS:
        torch.testing.assert_close(metric(a, b, border=border), metric(b, a, border=border))


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_more_noise_scores_less(seed):
    clean, noise = 0.3 + 0.4 * picture(seed), picture(seed + 1) - 0.5
    for metric in METRICS:
        scores = [metric(clean + strength * noise, clean, border=2).item() for strength in (0.05, 0.15, 0.45)]
        assert scores == sorted(scores, reverse=True)


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_turned_and_mirrored_pictures_score_the_same(seed):
    a, b = picture(seed), picture(seed + 1)
    for metric in METRICS:
        turned = metric(a.mT.flip(-1), b.mT.flip(-1), border=3)
        torch.testing.assert_close(turned, metric(a, b, border=3))


def test_equal_pictures_score_the_most():
    same = picture()
    assert psnr_y(same, same, border=4).item() == math.inf
    assert psnr_rgb(same, same, border=4).item() == math.inf
    assert ssim_y(same, same, border=4).item() == pytest.approx(1.0)


def test_pictures_are_clamped_and_rounded_to_8_bits_first():
    exact = torch.randint(0, 256, (1, 3, 16, 16), generator=torch.Generator().manual_seed(0)) / 255
    assert psnr_rgb(exact + 0.4 / 255, exact, border=0).item() == math.inf
    white = torch.ones(1, 3, 16, 16)
    assert psnr_y(white * 1.7, white, border=0).item() == math.inf


def test_the_border_does_not_count():
    original = picture()
    spoilt = original.clone()
    spoilt[..., :4, :], spoilt[..., -4:, :], spoilt[..., :, :4], spoilt[..., :, -4:] = 0, 1, 0, 1
    assert psnr_y(spoilt, original, border=4).item() == math.inf
    assert psnr_y(spoilt, original, border=3).item() < 40


def test_each_picture_of_a_batch_has_its_own_score():
    a, b = picture(1, batch=3), picture(2, batch=3)
    for metric in METRICS:
        alone = torch.cat([metric(a[i : i + 1], b[i : i + 1], border=4) for i in range(3)])
        torch.testing.assert_close(metric(a, b, border=4), alone)


def test_psnr_of_planes_counts_all_channels_together():
    a, b = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    b[0] = 2.0
    assert psnr_of_planes(a, b).item() == pytest.approx(10 * math.log10(255**2 / 2))


@pytest.mark.parametrize("metric", METRICS)
def test_pictures_of_different_shapes_are_refused(metric):
    with pytest.raises(ConfigError, match=r"same shape: got \(1, 3, 24, 20\) and \(1, 3, 24, 24\)"):
        metric(picture(), picture(width=24), border=0)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("border", [-1, 10])
def test_a_border_that_leaves_nothing_is_refused(metric, border):
    with pytest.raises(ConfigError, match=f"leave some of the picture: got {border} px of 24 × 20"):
        metric(picture(), picture(), border=border)


def test_pictures_smaller_than_the_window_have_no_ssim():
    narrow = picture(width=18)
    with pytest.raises(ConfigError, match=r"at least 11 pixels .* got 16 × 10"):
        ssim_y(narrow, narrow, border=4)
