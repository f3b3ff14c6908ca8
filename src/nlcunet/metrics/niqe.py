"""NIQE: how far a picture's local statistics lie from those of sharp photographs; needs no original.

Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal Processing Letters
2013, https://doi.org/10.1109/LSP.2012.2227726. Grey values are freed of local mean and contrast; in blocks of 96 × 96
at two scales generalised Gaussians are fitted to them and to the products of neighbours; 36 numbers a block. A picture
is the Gaussian of its blocks, and NIQE the distance from a Gaussian of good photographs' blocks.

The model in this package was fitted on free photographs with `benchmarks/fit_niqe.py`, not on the authors' 125
pictures: values are comparable with each other, and not with those of MATLAB or of other programs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.imaging.correlation import correlate_separable
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.tensors import round_to_8bit

BLOCK_PX = 96
SCALES = (1, 2)
FEATURES = 36
"""Eighteen at each scale."""
WINDOW_PX, WINDOW_SIGMA_PX = 7, 7 / 6
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns by which a block is shifted (its end comes back at its start) for the products of neighbours."""
SHARP_SHARE = 0.75
"""A model is fitted on blocks with more than this share of the local contrast of their picture's best block."""
MODEL_FILE = "niqe_photographs.npz"


@dataclass(frozen=True, kw_only=True)
class NiqeModel:
    """What good photographs look like."""

    mean: Tensor
    """Mean of the blocks' features, (36), float64."""
    covariance: Tensor
    """Their covariance, (36, 36), float64."""
    description: str
    """What it was fitted on, in words."""
    pictures: int
    """How many pictures it was fitted on."""
    blocks: int
    """How many blocks of them were sharp enough."""


def niqe(images: Float[Tensor, "batch 3 height width"], model: NiqeModel | None = None) -> Float[Tensor, " batch"]:
    """NIQE of each picture; lower is nearer to a good photograph.

    Args:
        images: RGB in [0, 1]; clamped and rounded to 8 bits here. Rows and columns beyond a multiple of 96 are not
            looked at.
        model: What to compare with; None takes the one in this package.

    Returns:
        Distances, at least 0, float64; NaN for a picture that is flat in every block.

    Raises:
        ConfigError: If a side is shorter than 96 pixels.
    """
    chosen = load_niqe_model() if model is None else model
    features, _ = block_features(images)
    return torch.stack([distance(*mean_and_covariance(blocks), chosen) for blocks in features])


@lru_cache(maxsize=1)
def load_niqe_model() -> NiqeModel:
    """The model that ships in this package."""
    with resources.files("nlcunet.metrics").joinpath(MODEL_FILE).open("rb") as file, np.load(file) as stored:
        return NiqeModel(
            mean=torch.from_numpy(stored["mean"]),
            covariance=torch.from_numpy(stored["covariance"]),
            description=str(stored["description"]),
            pictures=int(stored["pictures"]),
            blocks=int(stored["blocks"]),
        )


def fit_niqe_model(pictures: Iterable[Float[Tensor, "3 _ _"]], description: str) -> NiqeModel:
    """A model of good pictures.

    Args:
        pictures: RGB in [0, 1], each at least 96 × 96; of each only the sharp blocks count.
        description: What they are.

    Raises:
        ConfigError: If there are too few sharp blocks for a covariance, or a picture is too small.
    """
    kept, count = [], 0
    for picture in pictures:
        features, contrast = block_features(picture[None])
        kept.append(features[0][contrast[0] > SHARP_SHARE * contrast[0].max()])
        count += 1
    blocks = torch.cat(kept) if kept else torch.empty(0, FEATURES, dtype=torch.float64)
    blocks = blocks[blocks.isfinite().all(dim=1)]
    if len(blocks) <= FEATURES:
        raise ConfigError(
            f"a NIQE model needs more than {FEATURES} sharp blocks of {BLOCK_PX} × {BLOCK_PX} pixels: got "
            f"{len(blocks)} of {count} pictures; give more or larger pictures"
        )
    mean, covariance = mean_and_covariance(blocks)
    return NiqeModel(mean=mean, covariance=covariance, description=description, pictures=count, blocks=len(blocks))


def block_features(
    images: Float[Tensor, "batch 3 height width"],
) -> tuple[Float[Tensor, "batch blocks 36"], Float[Tensor, "batch blocks"]]:
    """The features of all whole blocks, row by row, and the mean local contrast (8-bit steps) of each.

    Raises:
        ConfigError: If a side is shorter than a block.
    """
    rows, columns = (side // BLOCK_PX for side in images.shape[-2:])
    if min(rows, columns) == 0:
        raise ConfigError(
            f"NIQE needs at least {BLOCK_PX} pixels on both sides: got {images.shape[-2]} × {images.shape[-1]}; "
            "measure a larger picture"
        )
    # Rounded once more: MATLAB's rgb2gray, which the model of the paper was fitted behind, returns 8 bits.
    luma = (255 * rgb_to_luma(round_to_8bit(images.double()))).round()[:, 0, : rows * BLOCK_PX, : columns * BLOCK_PX]
    features: list[Tensor] = []
    contrast = luma
    for scale in SCALES:
        if scale > 1:
            luma = resize_bicubic(luma, luma.shape[1] // 2, luma.shape[2] // 2)
        normalised, deviation = normalise_locally(luma)
        blocks = cut_blocks(normalised, BLOCK_PX // scale)
        if scale == 1:
            contrast = cut_blocks(deviation, BLOCK_PX).mean(dim=(-2, -1))
        features += features_at_one_scale(blocks)
    return torch.stack(features, dim=-1), contrast


def normalise_locally(
    luma: Float[Tensor, "batch height width"],
) -> tuple[Float[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """(value − local mean) / (local deviation + 1), of values from 0 to 255, and the local deviation."""
    offsets = torch.arange(WINDOW_PX, dtype=luma.dtype, device=luma.device) - WINDOW_PX // 2
    window = torch.exp(-0.5 * (offsets / WINDOW_SIGMA_PX) ** 2)
    window = (window / window.sum())[None]
    padded = F.pad(luma[None], (WINDOW_PX // 2,) * 4, mode="replicate")[0]
    mean = correlate_separable(padded, window, window)
    variance = correlate_separable(padded.square(), window, window) - mean.square()
    deviation = variance.abs().sqrt()
    return (luma - mean) / (deviation + 1), deviation


def cut_blocks(planes: Float[Tensor, "batch height width"], side: int) -> Float[Tensor, "batch blocks side side"]:
    """Whole blocks, row by row."""
    batch, height, width = planes.shape
    grid = planes.reshape(batch, height // side, side, width // side, side)
    return grid.transpose(2, 3).reshape(batch, -1, side, side)


def features_at_one_scale(blocks: Float[Tensor, "batch blocks side side"]) -> list[Float[Tensor, "batch blocks"]]:
    """Shape and width of the values' distribution; shape, mean and both widths of that of neighbours' products."""
    shape, left, right = fit_asymmetric_gaussian(blocks.flatten(2))
    features = [shape, (left + right) / 2]
    for shift in NEIGHBOURS:
        products = blocks * blocks.roll(shift, dims=(-2, -1))
        shape, left, right = fit_asymmetric_gaussian(products.flatten(2))
        mean = (right - left) * torch.exp(torch.lgamma(2 / shape) - torch.lgamma(1 / shape))
        features += [shape, mean, left, right]
    return features


def fit_asymmetric_gaussian(
    samples: Float[Tensor, "*batch samples"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Asymmetric generalised Gaussians by their moments (Lasmar, Stitou and Berthoumieu, ICIP 2009).

    The density is proportional to exp(−(|x| / β)^α) with another β left and right of 0.

    Args:
        samples: Float64.

    Returns:
        α (0.2 to 10, in steps of 0.001 as in the authors' code), left β, right β; NaN where samples of one sign lack.
    """
    square = samples.square()
    is_left, is_right = samples < 0, samples > 0
    left = ((square * is_left).sum(-1) / is_left.sum(-1)).sqrt()
    right = ((square * is_right).sum(-1) / is_right.sum(-1)).sqrt()
    skew = left / right
    peakedness = samples.abs().mean(-1).square() / square.mean(-1)
    wanted = peakedness * (skew**3 + 1) * (skew + 1) / (skew**2 + 1).square()
    shapes, ratios = shape_table(samples.device)
    upper = torch.searchsorted(ratios, wanted.nan_to_num(0.0)).clamp(1, len(ratios) - 1)
    nearest = torch.where(wanted - ratios[upper - 1] <= ratios[upper] - wanted, upper - 1, upper)
    shape = torch.where(wanted.isnan(), wanted, shapes[nearest])
    to_width = torch.exp(0.5 * (torch.lgamma(1 / shape) - torch.lgamma(3 / shape)))
    return shape, left * to_width, right * to_width


@lru_cache(maxsize=4)
def shape_table(device: torch.device) -> tuple[Float[Tensor, " shapes"], Float[Tensor, " shapes"]]:
    """Shapes α, and Γ(2/α)² / (Γ(1/α) Γ(3/α)), which rises with them."""
    with torch.inference_mode(mode=False):
        shapes = 0.2 + 0.001 * torch.arange(9801, dtype=torch.float64)
        ratios = 2 * torch.lgamma(2 / shapes) - torch.lgamma(1 / shapes) - torch.lgamma(3 / shapes)
        return shapes.to(device), ratios.exp().to(device)


def mean_and_covariance(
    blocks: Float[Tensor, "blocks features"],
) -> tuple[Float[Tensor, " features"], Float[Tensor, "features features"]]:
    """The Gaussian of some blocks; flat ones, whose features are NaN, are left out. One block has the covariance 0."""
    blocks = blocks[blocks.isfinite().all(dim=1)]
    mean = blocks.mean(dim=0)
    centred = blocks - mean
    return mean, centred.T @ centred / max(len(blocks) - 1, 1)


def distance(
    mean: Float[Tensor, " features"], covariance: Float[Tensor, "features features"], model: NiqeModel
) -> Float[Tensor, ""]:
    """√(d ((Σ₁ + Σ₂) / 2)⁺ dᵀ) of two Gaussians whose means differ by d."""
    difference = mean - model.mean.to(mean)
    pooled = (covariance + model.covariance.to(mean)) / 2
    squared: Tensor = difference @ torch.linalg.pinv(pooled, hermitian=True) @ difference
    return squared.clamp(min=0).sqrt()
