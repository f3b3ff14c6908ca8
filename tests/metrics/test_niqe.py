"""NIQE: its estimators find known parameters, and its scores rise with what spoils a photograph."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.pipeline import blur
from nlcunet.errors import ConfigError
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.niqe import (
    block_features,
    distance,
    fit_asymmetric_gaussian,
    fit_niqe_model,
    load_niqe_model,
    mean_and_covariance,
    niqe,
    normalise_locally,
)

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "anhinga_original.webp"


@pytest.fixture(scope="module")
def photograph():
    """A part of the example photograph at half its size: 384 × 288, RGB in [0, 1]."""
    pixels = torch.from_numpy(read_picture(PHOTOGRAPH).pixels).permute(2, 0, 1).float()[:, :768, :576] / 255
    return resize_bicubic(pixels, 384, 288).clamp(0, 1)[None]


def asymmetric_samples(alpha, left, right, count=200_000):
    """Draws from the density ∝ exp(−(|x| / β)^α): |x| = β · G^(1/α) with G from a Gamma of shape 1/α."""
    rng = np.random.default_rng(0)
    size = rng.gamma(1 / alpha, size=count) ** (1 / alpha)
    is_left = rng.random(count) < left / (left + right)
    return torch.from_numpy(np.where(is_left, -left * size, right * size))


# Estimators


@pytest.mark.parametrize(
    ("alpha", "left", "right"), [(2.0, 1.0, 1.0), (1.0, 0.5, 0.5), (0.7, 0.4, 0.9), (1.5, 2.0, 0.5), (4.0, 1.0, 3.0)]
)
def test_fits_find_the_parameters_that_samples_were_drawn_with(alpha, left, right):
    fitted = [value.item() for value in fit_asymmetric_gaussian(asymmetric_samples(alpha, left, right))]
    assert fitted == pytest.approx([alpha, left, right], rel=0.03)


def test_fits_are_those_of_a_search_over_the_authors_grid():
    # the published procedure, written out: the grid value whose Γ(2/α)² / (Γ(1/α) Γ(3/α)) is nearest
    samples = asymmetric_samples(0.9, 0.6, 1.1, count=9216).numpy()
    left, right = (math.sqrt((samples[side] ** 2).mean()) for side in (samples < 0, samples > 0))
    skew = left / right
    wanted = np.abs(samples).mean() ** 2 / (samples**2).mean() * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    grid = np.arange(0.2, 10.001, 0.001)
    ratios = np.array([math.exp(2 * math.lgamma(2 / a) - math.lgamma(1 / a) - math.lgamma(3 / a)) for a in grid])
    alpha = grid[np.abs(ratios - wanted).argmin()]
    width = math.sqrt(math.gamma(1 / alpha) / math.gamma(3 / alpha))
    fitted = [value.item() for value in fit_asymmetric_gaussian(torch.from_numpy(samples))]
    assert fitted == pytest.approx([alpha, left * width, right * width], abs=1e-9)


def test_shapes_stay_within_the_grid():
    two_values = torch.tensor([-1.0, 1.0] * 50, dtype=torch.float64)  # α would be infinite
    spikes = torch.zeros(10_000, dtype=torch.float64)
    spikes[0], spikes[1] = -1.0, 1.0  # α would be near 0
    assert fit_asymmetric_gaussian(two_values)[0].item() == pytest.approx(10.0)
    assert fit_asymmetric_gaussian(spikes)[0].item() == pytest.approx(0.2)


def test_samples_of_one_sign_have_no_fit():
    assert all(value.isnan() for value in fit_asymmetric_gaussian(torch.ones(9, dtype=torch.float64)))


def test_local_normalisation_is_the_formula():
    rng = np.random.default_rng(0)
    luma = rng.integers(0, 256, (12, 13)).astype(float)
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    padded = np.pad(luma, 3, mode="edge")
    expected, deviations = np.empty_like(luma), np.empty_like(luma)
    for row, column in np.ndindex(luma.shape):
        part = padded[row : row + 7, column : column + 7]
        mean = (window * part).sum()
        deviations[row, column] = math.sqrt((window * part**2).sum() - mean**2)
        expected[row, column] = (luma[row, column] - mean) / (deviations[row, column] + 1)
    normalised, deviation = normalise_locally(torch.from_numpy(luma)[None])
    np.testing.assert_allclose(normalised[0].numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(deviation[0].numpy(), deviations, atol=1e-9)


def test_features_of_a_block_are_those_of_its_neighbours_products():
    features, contrast = block_features(torch.rand(1, 3, 96, 192, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (1, 2, 36)
    assert contrast.shape == (1, 2)
    luma_noise, products = features[0, :, [0, 18]], features[0, :, [3, 7, 11, 15]]
    assert (luma_noise > 1.5).all()  # of noise nearly Gaussian: shape about 2 and more
    assert (products.abs() < 0.2).all()  # neighbours are nearly independent: means of products about 0


def test_the_distance_is_that_of_gaussians():
    model = fit_niqe_model([torch.rand(3, 672, 672)], "noise")
    mean, covariance = model.mean + 0.5, 2 * model.covariance
    inverse = np.linalg.inv(1.5 * model.covariance.numpy())
    expected = math.sqrt(np.full(36, 0.5) @ inverse @ np.full(36, 0.5))
    assert distance(mean, covariance, model).item() == pytest.approx(expected, rel=1e-6)
    assert distance(model.mean, model.covariance, model).item() == 0.0


def test_one_block_has_no_covariance_and_flat_ones_do_not_count():
    blocks = torch.rand(3, 36, dtype=torch.float64)
    blocks[1] = torch.nan
    mean, covariance = mean_and_covariance(blocks[:2])
    assert torch.equal(mean, blocks[0])
    assert not covariance.any()
    mean, covariance = mean_and_covariance(blocks)
    np.testing.assert_allclose(covariance.numpy(), np.cov(blocks[[0, 2]].numpy().T), atol=1e-12)


# Scores


def test_the_packaged_model_is_of_many_photographs():
    model = load_niqe_model()
    assert model.mean.shape == (36,)
    assert model.covariance.shape == (36, 36)
    assert torch.linalg.eigvalsh(model.covariance).min() > 0
    assert model.pictures == 1079
    assert model.blocks > 5000
    assert "photographs" in model.description


def test_the_photograph_scores_as_it_did(photograph):
    # measured 2026-11-25 with the model in this package
    assert niqe(photograph).item() == pytest.approx(4.178, abs=0.01)


def test_more_blur_scores_worse(photograph):
    pictures = [photograph] + [blur(photograph, isotropic_gaussian(21, sigma)) for sigma in (0.8, 1.6, 3.2)]
    scores = niqe(torch.cat(pictures)).tolist()
    assert scores == sorted(scores)
    assert scores[-1] > 2 * scores[0]


def test_more_noise_scores_worse(photograph):
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0)) / 255
    scores = niqe(torch.cat([photograph + std * noise for std in (0, 8, 20, 50)])).tolist()
    assert scores == sorted(scores)
    assert scores[-1] > 1.8 * scores[0]


def test_strong_compression_scores_worse(photograph):
    strong = compress_jpeg(photograph[0], 10, chroma="4:2:0")
    assert niqe(strong[None]).item() > 1.3 * niqe(photograph).item()


def test_mirrored_pictures_score_nearly_the_same(photograph):
    mirrored = niqe(photograph.flip(-1)).item()
    assert mirrored == pytest.approx(niqe(photograph).item(), rel=0.05)  # a diagonal product becomes the other one


def test_colour_does_not_matter(photograph):
    luma = (photograph * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1, keepdim=True)
    grey = luma.expand(-1, 3, -1, -1)
    assert niqe(grey).item() == pytest.approx(niqe((grey * 255).round() / 255).item(), abs=1e-9)
    assert niqe(grey).item() == pytest.approx(niqe(photograph).item(), rel=0.03)


def test_pictures_of_a_batch_do_not_see_each_other(photograph):
    pair = torch.cat([photograph, photograph.flip(-2) * 0.8])
    alone = torch.cat([niqe(picture[None]) for picture in pair])
    torch.testing.assert_close(niqe(pair), alone)


def test_what_lies_beyond_the_last_whole_block_does_not_count(photograph):
    wider = torch.nn.functional.pad(photograph, (0, 95, 0, 95))
    assert niqe(wider).item() == pytest.approx(niqe(photograph).item(), rel=1e-9)


def test_a_flat_picture_has_no_score():
    assert niqe(torch.full((1, 3, 96, 96), 0.5)).isnan().all()


def test_too_small_pictures_are_refused():
    with pytest.raises(ConfigError, match="at least 96 pixels on both sides: got 95 × 200"):
        niqe(torch.zeros(1, 3, 95, 200))


def test_a_model_needs_enough_sharp_blocks():
    with pytest.raises(ConfigError, match=r"more than 36 sharp blocks .* got 2 of 1 pictures"):
        fit_niqe_model([torch.rand(3, 96, 192)], "two blocks")


def test_a_model_is_fitted_on_sharp_blocks_only():
    sharp = torch.rand(3, 480, 960, generator=torch.Generator().manual_seed(0))
    dull = sharp.clone()
    dull[..., 480:] = 0.5 + 0.1 * (dull[..., 480:] - 0.5)
    model = fit_niqe_model([sharp[..., :480], sharp[..., 480:]], "all sharp")
    half = fit_niqe_model([dull, sharp[..., 480:]], "half of one dull")
    assert (model.blocks, half.blocks) == (50, 50)
    torch.testing.assert_close(half.mean, model.mean, rtol=0.01, atol=0.01)
