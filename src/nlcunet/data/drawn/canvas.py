"""What all drawings are made on: layers over a ground, smooth random fields, and the final softness of the lens.

Lengths are in pixels of the picture. ``zoom`` draws the same scene larger, to be compared: reduced by the mean over
``zoom`` × ``zoom`` pixels, it must equal the drawing at zoom 1, which shows that nothing is aliased by the drawing.
Colours are mixed on sRGB-encoded values, as files and training losses hold them: a line that covers 0.3 of a pixel
changes it by 0.3 of its contrast.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from nlcunet.imaging.drawing import render_svg

Pixels = Float32[np.ndarray, "height width 3"]
"""RGB in [0, 1], sRGB-encoded."""
Plane = Float32[np.ndarray, "height width"]
"""One value per pixel."""
Samples = Float32[np.ndarray, "rows columns"]
"""One value per sample of a field, which is computed finer than pixels."""
Row = Float32[np.ndarray, "1 columns"]
Column = Float32[np.ndarray, "rows 1"]
Colour = Float[np.ndarray, "3"]
"""RGB in [0, 1], sRGB-encoded."""

FIELD_SAMPLES = 2
"""Samples per pixel and axis of fields computed by formula; their edges are softened over one sample on top."""


@dataclass(frozen=True)
class Canvas:
    """A square to draw on."""

    size_px: int
    zoom: int = 1
    """How many times larger to draw it."""

    @property
    def side(self) -> int:
        """Pixels a side as drawn."""
        return self.size_px * self.zoom

    @property
    def sample_px(self) -> float:
        """Distance of the samples of a field."""
        return 1.0 / (FIELD_SAMPLES * self.zoom)

    def draw(self, elements: Iterable[str]) -> Float32[np.ndarray, "height width 4"]:
        """SVG elements as colours multiplied by coverage, and coverage."""
        return render_svg("".join(elements), self.size_px, self.zoom)

    def sample_places(self) -> tuple[Row, Column]:
        """Where a field is to be computed for :meth:`reduce`: x and y of the middles of the samples, in pixels."""
        count = self.side * FIELD_SAMPLES
        places = ((np.arange(count) + 0.5) * (self.size_px / count)).astype(np.float32)
        return places[None, :], places[:, None]

    def reduce(self, field: Samples) -> Plane:
        """Samples to pixels, by their mean."""
        rows = field[0::2] + field[1::2]
        plane: np.ndarray = (rows[:, 0::2] + rows[:, 1::2]) * np.float32(1 / FIELD_SAMPLES**2)
        return plane

    def clouds(self, rng: np.random.Generator, cell_px: float) -> Plane:
        """Smooth noise (a cubic B-spline) of mean 0 and standard deviation about 1; its knots are ``cell_px`` apart."""
        knots = int(np.ceil(self.size_px / cell_px)) + 3
        values = rng.standard_normal((knots, knots)).astype(np.float32)
        weights = _spline_weights(self.side, self.size_px / cell_px, knots)
        noise: np.ndarray = weights @ values @ weights.T
        # The mean square of a cubic spline with random knots is 151/315 in one dimension.
        return noise * np.float32(315 / 151)


def _spline_weights(count: int, length: float, knots: int) -> Float32[np.ndarray, "count knots"]:
    """Rows of cubic B-spline weights at the middles of ``count`` equal parts of ``length`` knot distances."""
    places = (np.arange(count) + 0.5) * (length / count)
    first = np.floor(places).astype(int)
    t = places - first
    parts = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((count, knots), dtype=np.float32)
    for offset, part in enumerate(parts):
        weights[np.arange(count), first + offset] = part / 6
    return weights


def over(below: Pixels, layer: Float32[np.ndarray, "height width 4"]) -> Pixels:
    """A layer laid over a picture."""
    covered: np.ndarray = below * (1 - layer[:, :, 3:]) + layer[:, :, :3]
    return covered


def tint(below: Pixels, coverage: Plane, colour: Colour) -> Pixels:
    """One colour laid over a picture where ``coverage`` says so."""
    mixed: np.ndarray = below + (colour.astype(np.float32) - below) * coverage[:, :, None]
    return mixed


def soften(picture: Pixels, sigma_px: float) -> Pixels:
    """Blurred by a Gaussian of this standard deviation, edges repeated."""
    if sigma_px <= 0:
        return picture
    weights = discrete_gaussian(sigma_px)
    radius = len(weights) // 2
    for axis in (0, 1):
        margins = [(radius, radius) if axis == number else (0, 0) for number in range(3)]
        padded = np.moveaxis(np.pad(picture, margins, mode="edge"), axis, 0)
        length = picture.shape[axis]
        total = padded[:length] * weights[0]
        for number in range(1, 2 * radius + 1):
            total += padded[number : number + length] * weights[number]
        picture = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(picture)


def discrete_gaussian(sigma_px: float) -> Float32[np.ndarray, " taps"]:
    """Weights whose variance is right however small it is, as that of a sampled Gaussian is not (Lindeberg 1990)."""
    radius = max(1, int(np.ceil(3.5 * sigma_px)))
    turns = np.arange(33 + 8 * radius) * (2 * np.pi / (64 + 16 * radius))
    weights = np.fft.irfft(np.exp(sigma_px**2 * (np.cos(turns) - 1)))
    taps = np.concatenate([weights[radius:0:-1], weights[: radius + 1]])
    return np.asarray(taps / taps.sum(), dtype=np.float32)
