"""Blur of a picture: how wide its sharp edges are, in which direction.

A step seen through a Gaussian of standard deviation σ has the profile of its integral, and the derivatives of that
along the edge's normal, taken at a scale s, give the width back, wherever between the pixels the edge lies:
``1 / (σ² + s²) = (f″ / f′)² − f‴ / f′``. Corners, lines and texture have no such profile: an edge point counts only if
two scales tell the same width. (Edge widths from Gaussian derivatives: J. H. Elder and S. W. Zucker, "Local Scale
Control for Edge Detection and Blur Estimation", IEEE TPAMI 20, 1998; comparing two scales: S. Zhuo and T. Sim, "Defocus
map estimation from a single image", Pattern Recognition 44, 2011.)

Across a blur of covariance Σ an edge of normal n has the squared width ``nᵀ Σ n``; edges in several directions give the
ellipse, by least absolute deviations, since many edges are soft by themselves. Blur of more than ``MAX_SIGMA_PX`` is
measured again in the picture at half its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float

from nlcunet.inspection.products import multiply
from nlcunet.inspection.windows import Window

SCALES_PX = (1.0, 1.6)
"""Standard deviations of the Gaussians that derivatives are taken with; widths are told by the first."""
AGREEMENT = 0.25
"""How far the widths of both scales may differ, as a share of the total variance at the first."""
MIN_SLOPE = 5.0
"""Edges must rise by this much per pixel, in steps of 1/255, and more in noise."""
SLOPE_PER_NOISE = 0.9
MAX_OFFSET_PX = 0.6
"""An edge must run through its pixel, or nearly so."""
MANY_CANDIDATES = 8_000
"""As many are measured however small a picture is, if it has them; the steepest."""
PIXELS_PER_CANDIDATE = 40
"""A larger picture has the steepest one measured for so many pixels: so the time goes with the size."""
MIN_EDGE_POINTS = 40
MAX_SIGMA_PX = 2.0
"""Wider blur is measured at half the size."""
MAX_HALVINGS = 3
MIN_ROUNDNESS_PX2 = 0.3
ROUND_RATIO = 1.15
"""Axes that differ by less are called equal: photographs without blur differ by as much."""
PRIOR_EDGE_POINTS = 30.0
"""How many edge points it takes to make the blur longer in one direction: without any, it is round."""
_REACH_PX = 6
_HALVING_VARIANCE = 0.25
"""Of the mean of two neighbours, in square pixels of the full size: what halving adds."""


@dataclass(frozen=True, kw_only=True)
class BlurEstimate:
    """A Gaussian blur: an ellipse of standard deviations.

    Attributes:
        major_sigma_px: along the longer axis, in pixels of the picture.
        minor_sigma_px: along the shorter axis.
        angle_deg: direction of the longer axis, from the right clockwise as seen on a screen, 0 to 180; none where the
            axes are about equal.
        edge_points: how many edge points told.
    """

    major_sigma_px: float
    minor_sigma_px: float
    angle_deg: float | None
    edge_points: int

    @property
    def sigma_px(self) -> float:
        """One number: the root mean square of both axes."""
        return float(np.hypot(self.major_sigma_px, self.minor_sigma_px) / np.sqrt(2))


@dataclass(frozen=True)
class EdgePoints:
    """Edge points with a profile like that of a blurred step.

    Attributes:
        variance_px2: squared width of the blur across the edge; sharper than any step can be is below 0.
        angle_rad: direction of the edge's normal.
    """

    variance_px2: Float[np.ndarray, " points"]
    angle_rad: Float[np.ndarray, " points"]


def estimate_blur(windows: Sequence[Window], noise_std_8bit: float = 0.0) -> BlurEstimate | None:
    """The blur of the sharp edges in a picture.

    Returns:
        Nothing where there are too few edges: in flat, tiny and very noisy pictures.
    """
    planes = [(window.luma, window.usable) for window in windows]
    best = None
    for halvings in range(MAX_HALVINGS + 1):
        if not planes:
            break
        points = find_edge_points(planes, MIN_SLOPE + SLOPE_PER_NOISE * noise_std_8bit)
        if len(points.variance_px2) >= MIN_EDGE_POINTS:
            best = _fit(points, 2.0**halvings)
            if best.sigma_px <= MAX_SIGMA_PX * 2**halvings:
                return best
        planes = [_halved(*plane) for plane in planes if min(plane[0].shape) >= 2 * (2 * _REACH_PX + 3)]
        noise_std_8bit /= 2
    return best


def find_edge_points(
    planes: Sequence[tuple[Float[np.ndarray, "_ _"], Bool[np.ndarray, "_ _"] | None]], min_slope: float
) -> EdgePoints:
    """Edge points of all planes whose profile is that of a blurred step.

    Args:
        planes: luma in steps of 1/255, and which pixels count.
        min_slope: in steps per pixel.
    """
    found = [_candidates(luma, usable, min_slope) for luma, usable in planes]
    slopes = np.concatenate([slope for _, slope in found])
    most = max(MANY_CANDIDATES, sum(luma.size for luma, _ in planes) // PIXELS_PER_CANDIDATE)
    if len(slopes) > most:
        min_slope = float(np.partition(slopes, -most)[-most])
    patches = [_patches(luma, at[slope >= min_slope]) for (luma, _), (at, slope) in zip(planes, found, strict=True)]
    return _measure(np.concatenate(patches), min_slope)


def _candidates(
    luma: Float[np.ndarray, "_ _"], usable: Bool[np.ndarray, "_ _"] | None, min_slope: float
) -> tuple[np.ndarray, Float[np.ndarray, " candidates"]]:
    """Rows and columns of the pixels where the slope is largest across the edge, and their slopes."""
    if min(luma.shape) < 2 * _REACH_PX + 3:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    down, right = (np.zeros_like(luma) for _ in range(2))
    down[1:-1] = (luma[2:] - luma[:-2]) / 2
    right[:, 1:-1] = (luma[:, 2:] - luma[:, :-2]) / 2
    slope = np.hypot(down, right)
    inner = (slice(_REACH_PX + 1, -_REACH_PX - 1),) * 2
    is_peak = np.zeros(luma.shape, bool)
    steep = np.abs(down) > np.abs(right)
    for axis, along in ((0, steep), (1, ~steep)):
        before, after = np.roll(slope, 1, axis), np.roll(slope, -1, axis)
        is_peak |= along & (slope >= before) & (slope >= after)
    chosen = np.argwhere((is_peak & (slope >= min_slope))[inner]) + _REACH_PX + 1
    if usable is not None and len(chosen):
        view = np.lib.stride_tricks.sliding_window_view(usable, (2 * _REACH_PX + 1,) * 2)
        chosen = chosen[view[chosen[:, 0] - _REACH_PX, chosen[:, 1] - _REACH_PX].all(axis=(1, 2))]
    return chosen, slope[chosen[:, 0], chosen[:, 1]]


def _patches(luma: Float[np.ndarray, "_ _"], centres: np.ndarray) -> Float[np.ndarray, "candidates samples"]:
    """The surroundings of pixels, one per row."""
    side = 2 * _REACH_PX + 1
    if not len(centres):
        return np.zeros((0, side * side), np.float32)
    view = np.lib.stride_tricks.sliding_window_view(luma, (side, side))
    patches: np.ndarray = view[centres[:, 0] - _REACH_PX, centres[:, 1] - _REACH_PX].reshape(-1, side * side)
    return patches


def _measure(patches: Float[np.ndarray, "candidates samples"], min_slope: float) -> EdgePoints:
    """Widths of the candidates, of which those are left that look like a blurred step at both scales."""
    (variance, offset, slope, angle), (other, _, _, _) = (_profile(patches, scale) for scale in SCALES_PX)
    total = variance + SCALES_PX[0] ** 2
    good = (np.abs(other - variance) <= AGREEMENT * total) & (np.abs(offset) <= MAX_OFFSET_PX) & (slope >= min_slope)
    return EdgePoints(variance[good], angle[good])


def _profile(patches: Float[np.ndarray, "candidates samples"], scale_px: float) -> tuple[np.ndarray, ...]:
    """Variance of the blur across the edge, distance of the edge, slope and angle of the normal of every candidate."""
    values = multiply(patches, _derivatives(scale_px)).astype(np.float64).T
    right, down, right2, mixed, down2, right3, right_mixed, down_mixed, down3 = values
    slope = np.maximum(np.hypot(right, down), 1e-6)
    c, s = right / slope, down / slope
    second = right2 * c * c + 2 * mixed * c * s + down2 * s * s
    third = right3 * c**3 + 3 * right_mixed * c * c * s + 3 * down_mixed * c * s * s + down3 * s**3
    inverse = (second / slope) ** 2 - third / slope
    total = 1 / np.where(inverse > 1e-6, inverse, np.nan)
    return total - scale_px**2, total * second / slope, slope, np.arctan2(s, c)


@cache
def _derivatives(scale_px: float) -> Float[np.ndarray, "samples 9"]:
    """Weights for f_x, f_y, f_xx, f_xy, f_yy, f_xxx, f_xxy, f_xyy, f_yyy at the middle of a patch."""
    taps = [_gaussian_derivative(scale_px, order) for order in range(4)]
    orders = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
    return np.stack([np.outer(taps[y], taps[x]).ravel() for x, y in orders], axis=1).astype(np.float32)


def _gaussian_derivative(scale_px: float, order: int) -> Float[np.ndarray, " taps"]:
    """Weights that take a smoothed derivative; sampled, then made exact for the polynomials up to their order."""
    x = np.arange(-_REACH_PX, _REACH_PX + 1, dtype=np.float64)
    bell = np.exp(-0.5 * (x / scale_px) ** 2)
    polynomials = np.stack([x**power for power in range(order + 1)])
    # A Gaussian's derivatives are itself times polynomials (Hermite's); of these the one that takes x^order to order!,
    # and lower powers to 0, has no error from sampling.
    moments = (polynomials * bell) @ polynomials.T
    wanted = np.zeros(order + 1)
    wanted[order] = float(np.prod(np.arange(1, order + 1)))
    weights: np.ndarray = (np.linalg.solve(moments, wanted) @ polynomials) * bell
    return weights


def _fit(points: EdgePoints, pixel: float) -> BlurEstimate:
    """The ellipse that the widths of edge points in all directions speak for."""
    design = np.stack(
        [np.ones(len(points.angle_rad)), np.cos(2 * points.angle_rad), np.sin(2 * points.angle_rad)], axis=1
    )
    mean, cosine, sine = _least_absolute(design, points.variance_px2)
    added = _HALVING_VARIANCE * (pixel**2 - 1) / 3  # 1/4 + 4/4 + … : each halving by a box of two pixels of its own
    mean = mean * pixel**2 - added
    half = float(np.hypot(cosine, sine)) * pixel**2
    major, minor = (float(np.sqrt(max(value, 0.0))) for value in (mean + half, mean - half))
    is_round = major <= ROUND_RATIO * minor or 2 * half <= MIN_ROUNDNESS_PX2
    angle = float(np.degrees(np.arctan2(sine, cosine)) / 2 % 180)
    return BlurEstimate(
        major_sigma_px=major, minor_sigma_px=minor, angle_deg=None if is_round else angle, edge_points=len(design)
    )


def _least_absolute(
    design: Float[np.ndarray, "points 3"], values: Float[np.ndarray, " points"], rounds: int = 30
) -> Float[np.ndarray, "3"]:
    """Coefficients with the least sum of absolute deviations, by reweighting; those after the first are held small."""
    solution = np.array([np.median(values), 0.0, 0.0])
    prior = np.diag([0.0, PRIOR_EDGE_POINTS, PRIOR_EDGE_POINTS])
    for _ in range(rounds):
        weights = 1 / np.maximum(np.abs(values - design @ solution), 0.02)
        weights /= weights.mean()
        weighted = design * weights[:, None]
        solution = np.linalg.solve(weighted.T @ design + prior, weighted.T @ values)
    return solution


def _halved(
    luma: Float[np.ndarray, "_ _"], usable: Bool[np.ndarray, "_ _"] | None
) -> tuple[Float[np.ndarray, "_ _"], Bool[np.ndarray, "_ _"] | None]:
    """Means of two by two pixels; they count if all four do."""
    height, width = (side // 2 * 2 for side in luma.shape)
    corners = [(slice(row, height, 2), slice(column, width, 2)) for row in (0, 1) for column in (0, 1)]
    small: np.ndarray = np.mean([luma[corner] for corner in corners], axis=0)
    return small, None if usable is None else np.logical_and.reduce([usable[corner] for corner in corners])
