"""Pictures of hairlines: thin curves of known place, width, contrast and angle, the same ones wherever they are made.

Each picture holds parallel arcs of one width and contrast, 16 low-resolution pixels apart, on flat or textured ground.
Curves are not rendered but computed: a pixel's value is its ground plus contrast times the exact share of its area that
the curve covers. All that is random comes from uniform numbers of PCG64, whose stream NumPy promises to keep; so a seed
and a version name the pictures.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.ridges import find_ridges
from nlcunet.tensors import round_to_8bit

HAIRLINE_VERSION = 1
"""Rises whenever pictures or scores change, so that old and new numbers are not mixed."""
WIDTHS_LOW_RES_PX = (0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
CONTRASTS = (0.12, 0.25, 0.5)
SIDE_LOW_RES_PX = 64
SPACING_LOW_RES_PX = 16
MARGIN_LOW_RES_PX = 6
"""Nothing is measured so near to the picture's border."""
EMPTY_FROM_LOW_RES_PX = 0.25
"""Ground begins so far from a curve's edge: near enough to see double contours."""
KNOWN_WITHIN_LOW_RES_PX = 1
MIN_RADIUS_SIDES, MAX_RADIUS_SIDES = 2.5, 10.0
"""Radius of the middle arc, in sides of the picture."""
TEXTURE_STD = 0.05
TEXTURE_WAVELENGTHS_LOW_RES_PX = (1, 2, 4, 8, 16)

Ground = Literal["flat", "textured"]
GROUNDS: tuple[Ground, ...] = ("flat", "textured")


@dataclass(frozen=True, kw_only=True)
class HairlineCase:
    """One picture and what is known of it. Coordinates are in high-resolution pixels from the top left corner."""

    scale: int
    """High-resolution pixels per low-resolution pixel."""
    width_low_res_px: float
    contrast: float
    """What the curves add to the ground, in all three channels: below 0 dark, above 0 light."""
    angle_deg: float
    """Direction of the curves at the middle of the picture, clockwise from the x axis, 0 to 180."""
    ground: Ground
    """Flat, or smooth noise at wavelengths of 1 to 16 low-resolution pixels."""
    high_res: Tensor
    """RGB in [0, 1], 3 × height × width, float32, in steps of 1/255."""
    points: Tensor
    """Points x, y on the curves' centre lines, one pixel apart, points × 2, float32."""
    normals: Tensor
    """Unit vectors across the curve at each point, points × 2."""
    empty: Tensor
    """Height × width: beside the curves, at least a quarter of a low-resolution pixel from their edges, and not near
    the picture's borders."""
    known_lines: Tensor
    """2 × height × width, light lines and dark ones: the strongest that `nlcunet.metrics.ridges` finds in this very
    picture within one low-resolution pixel."""


def make_hairline_cases(
    scale: int,
    seed: int = 0,
    *,
    widths_low_res_px: Sequence[float] = WIDTHS_LOW_RES_PX,
    contrasts: Sequence[float] = CONTRASTS,
    grounds: Sequence[Ground] = GROUNDS,
) -> tuple[HairlineCase, ...]:
    """The hairline pictures: every width with every contrast, dark and light, on every ground, by default 72.

    Angles are spread evenly over half a turn among the pictures of one width.

    Args:
        scale: Enlargement that is to be measured, 1 to 8. The curves' geometry in low-resolution pixels does not
            depend on it.
        seed: What the pictures are drawn from, at least 0.
        widths_low_res_px: Widths, above 0 and at most 4.
        contrasts: Sizes of the contrast, above 0 and at most 0.7; 1 is from black to white.
        grounds: ``flat``, ``textured`` or both.

    Raises:
        ConfigError: If a setting lies outside its range.
    """
    _check(scale, seed, widths_low_res_px, contrasts, grounds)
    kinds = list(itertools.product(grounds, contrasts, (-1.0, 1.0)))
    cases = []
    for number, width in enumerate(widths_low_res_px):
        first = np.random.Generator(np.random.PCG64([seed, number]))
        order = np.argsort(first.random(len(kinds)), kind="stable")
        for index, (ground, contrast, sign) in enumerate(kinds):
            random = np.random.Generator(np.random.PCG64([seed, number, 1 + index]))
            angle_deg = 180 * (float(order[index]) + random.random()) / len(kinds)
            cases.append(
                make_case(
                    random,
                    scale,
                    width_low_res_px=float(width),
                    contrast=sign * contrast,
                    angle_deg=angle_deg,
                    ground=ground,
                )
            )
    return tuple(cases)


def make_case(
    random: np.random.Generator,
    scale: int,
    *,
    width_low_res_px: float,
    contrast: float,
    angle_deg: float,
    ground: Ground,
) -> HairlineCase:
    """One picture; only `random.random()` is drawn from."""
    side, spacing, width = SIDE_LOW_RES_PX * scale, SPACING_LOW_RES_PX * scale, width_low_res_px * scale
    radius = side * math.exp(_between(random, math.log(MIN_RADIUS_SIDES), math.log(MAX_RADIUS_SIDES)))
    bend = 1.0 if random.random() < 0.5 else -1.0
    angle = math.radians(angle_deg)
    across = np.array([-math.sin(angle), math.cos(angle)]) * bend
    shift = (random.random() - 0.5) * spacing
    centre = side / 2 + across * (radius + shift)
    offset, normal = distances(side, centre, radius, spacing)
    covered = line_coverage(offset, normal, width)
    picture = make_ground(random, scale, contrast, ground) + contrast * covered
    margin = MARGIN_LOW_RES_PX * scale
    empty = torch.zeros(side, side, dtype=torch.bool)
    empty[margin:-margin, margin:-margin] = True
    empty &= torch.from_numpy(np.abs(offset) > width / 2 + EMPTY_FROM_LOW_RES_PX * scale)
    points, normals = centre_lines(side, centre, radius, spacing, margin)
    high_res = round_to_8bit(torch.from_numpy(picture)).float()
    return HairlineCase(
        scale=scale,
        width_low_res_px=width_low_res_px,
        contrast=contrast,
        angle_deg=angle_deg,
        ground=ground,
        high_res=high_res,
        points=torch.from_numpy(points).float(),
        normals=torch.from_numpy(normals).float(),
        empty=empty,
        known_lines=lines_near_by(high_res, scale),
    )


def lines_near_by(high_res: Float[Tensor, "3 height width"], scale: int) -> Float[Tensor, "2 height width"]:
    """See `HairlineCase.known_lines`."""
    strength = find_ridges(rgb_to_luma(high_res), scale).strength[:, 0]
    reach = KNOWN_WITHIN_LOW_RES_PX * scale
    return F.max_pool2d(strength, 2 * reach + 1, stride=1, padding=reach)


def distances(
    side: int, centre: Float[np.ndarray, "2"], radius: float, spacing: int
) -> tuple[Float[np.ndarray, "side side"], Float[np.ndarray, "side side 2"]]:
    """From each pixel's middle to the nearest of the concentric arcs: how far (outwards positive), and which way."""
    middles = np.arange(side) + 0.5
    from_centre = np.stack(np.broadcast_arrays(middles[None, :] - centre[0], middles[:, None] - centre[1]), axis=-1)
    reach = np.hypot(from_centre[..., 0], from_centre[..., 1])
    beyond = reach - radius
    return np.asarray(beyond - spacing * np.round(beyond / spacing)), from_centre / reach[..., None]


def line_coverage(
    offset: Float[np.ndarray, "*shape"], normal: Float[np.ndarray, "*shape 2"], width: float
) -> Float[np.ndarray, "*shape"]:
    """The share of a pixel's area that a straight band covers; arcs are straight within a pixel to 1e-3.

    Args:
        offset: From the band's centre line to the pixel's middle, in pixels.
        normal: Unit vectors across the band.
        width: Of the band, in pixels.
    """
    outer, inner = (half_plane_coverage(edge - offset, normal) for edge in (width / 2, -width / 2))
    return np.asarray(outer - inner)


def half_plane_coverage(
    reach: Float[np.ndarray, "*shape"], normal: Float[np.ndarray, "*shape 2"]
) -> Float[np.ndarray, "*shape"]:
    """The share of a unit square on one side of a line that lies `reach` from its middle along the normal.

    The square's shadow along the normal is a trapezium: the difference of two boxes' integrals, which are parabolas.
    """
    wide, narrow = np.abs(normal).max(axis=-1), np.maximum(np.abs(normal).min(axis=-1), 1e-6)
    reach = np.clip(reach, -1.0, 1.0)  # a square reaches no further than √½; small numbers keep the differences exact

    outer, inner = (wide + narrow) / 2, (wide - narrow) / 2
    corners = ((1, outer), (-1, inner), (-1, -inner), (1, -outer))
    area = sum(sign * np.maximum(reach + corner, 0.0) ** 2 / 2 for sign, corner in corners)
    return np.asarray(np.clip(area / (wide * narrow), 0.0, 1.0))


def centre_lines(
    side: int, centre: Float[np.ndarray, "2"], radius: float, spacing: int, margin: int
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points 2"]]:
    """Points on all arcs one pixel apart, borders left out, and the unit vectors across."""
    towards = side / 2 - centre
    middle = math.atan2(towards[1], towards[0])
    count = math.ceil(side * math.sqrt(0.5) / spacing) + 1
    points, normals = [], []
    for number in range(-count, count + 1):
        reach = radius + number * spacing
        half = np.arange(0, side * math.sqrt(0.5) * 1.2) / reach
        angles = middle + np.concatenate([-half[:0:-1], half])
        normals.append(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        points.append(centre + reach * normals[-1])
    all_points, all_normals = np.concatenate(points), np.concatenate(normals)
    inside = ((all_points > margin) & (all_points < side - margin)).all(axis=1)
    return all_points[inside], all_normals[inside]


def make_ground(
    random: np.random.Generator, scale: int, contrast: float, ground: Ground
) -> Float[np.ndarray, "3 side side"]:
    """A slightly coloured ground whose brightness, with the curve's, lies evenly around the middle grey."""
    side = SIDE_LOW_RES_PX * scale
    colour = 0.5 - contrast / 2 + 0.06 * (random.random(3) - 0.5)
    picture = np.broadcast_to(colour[:, None, None], (3, side, side))
    return picture if ground == "flat" else picture + make_texture(random, scale)


def make_texture(random: np.random.Generator, scale: int) -> Float[np.ndarray, "side side"]:
    """Smooth noise: random values on grids of several wavelengths, the longer ones stronger (amplitude ~ √length)."""
    side = SIDE_LOW_RES_PX * scale
    total = torch.zeros(side, side, dtype=torch.float64)
    for wavelength in TEXTURE_WAVELENGTHS_LOW_RES_PX:
        cells = 2 * SIDE_LOW_RES_PX // wavelength
        coarse = torch.from_numpy(random.random((1, cells, cells)) - 0.5)
        total += math.sqrt(wavelength) * resize_bicubic(coarse, side, side)[0]
    total -= total.mean()
    return (total * (TEXTURE_STD / total.std())).numpy()


def hairlines_sha256(cases: Iterable[HairlineCase]) -> str:
    """Checksum of the pictures' 8-bit pixels (row by row, RGB), to tell whether two runs saw the same ones."""
    digest = hashlib.sha256()
    for case in cases:
        steps = (case.high_res * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        digest.update(steps.numpy().tobytes())
    return digest.hexdigest()


def _between(random: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * random.random()


def _check(scale: int, seed: int, widths: Sequence[float], contrasts: Sequence[float], grounds: Sequence[str]) -> None:
    if not 1 <= scale <= 8:
        raise ConfigError(f"hairlines are drawn for scales 1 to 8: got {scale}")
    if seed < 0:
        raise ConfigError(f"the hairlines' seed must be at least 0: got {seed}")
    if not widths or not all(0 < width <= 4 for width in widths):
        raise ConfigError(f"hairlines must be wider than 0 and at most 4 low-resolution pixels: got {list(widths)}")
    if not contrasts or not all(0 < contrast <= 0.7 for contrast in contrasts):
        raise ConfigError(f"contrasts must lie above 0 and at most at 0.7: got {list(contrasts)}; signs are added")
    if not grounds or not set(grounds) <= set(GROUNDS):
        raise ConfigError(f"grounds must be among {', '.join(GROUNDS)}: got {list(grounds)}")
