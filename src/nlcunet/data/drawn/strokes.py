"""Points to SVG: polylines, smooth curves, tapering strokes, filled shapes."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from nlcunet.data.drawn.canvas import Colour

Curves = Float[np.ndarray, "curves points 2"]
"""Points x, y along curves, in pixels."""

CURVES_PER_ELEMENT = 60
"""Cairo's time grows with the crossings inside an element, librsvg's with their number; measured, this is quickest."""


def hex_of(colour: Colour) -> str:
    """A colour as in SVG."""
    red, green, blue = (int(value) for value in np.rint(np.clip(colour, 0, 1) * 255))
    return f"#{red:02x}{green:02x}{blue:02x}"


def straight(curves: Curves, *, closed: bool = False) -> list[str]:
    """Path data of polylines."""
    template = "M%.2f %.2fL" + " ".join(["%.2f %.2f"] * (curves.shape[1] - 1)) + ("Z" if closed else "")
    return [template % tuple(row) for row in curves.reshape(len(curves), 2 * curves.shape[1]).tolist()]


def smooth(curves: Curves, *, closed: bool = False) -> list[str]:
    """Path data of cubic curves through all points (Catmull and Rom 1974)."""
    if closed:
        curves = np.concatenate([curves, curves[:, :1]], axis=1)
        before, after = curves[:, -2:-1], curves[:, 1:2]
    else:
        before, after = 2 * curves[:, :1] - curves[:, 1:2], 2 * curves[:, -1:] - curves[:, -2:-1]
    extended = np.concatenate([before, curves, after], axis=1)
    slopes = (extended[:, 2:] - extended[:, :-2]) / 6
    parts = np.stack([curves[:, :-1] + slopes[:, :-1], curves[:, 1:] - slopes[:, 1:], curves[:, 1:]], axis=2)
    points = np.concatenate([curves[:, :1], parts.reshape(len(curves), 3 * parts.shape[1], 2)], axis=1)
    template = "M%.2f %.2fC" + " ".join(["%.2f %.2f"] * (points.shape[1] - 1)) + ("Z" if closed else "")
    return [template % tuple(row) for row in points.reshape(len(points), 2 * points.shape[1]).tolist()]


def tapering(curves: Curves, widths_px: Float[np.ndarray, "curves points"]) -> list[str]:
    """Path data of the outlines of strokes whose width changes along them; to be filled."""
    along = np.gradient(curves, axis=1)
    along /= np.maximum(np.hypot(along[..., 0], along[..., 1])[..., None], 1e-9)
    across = np.stack([-along[..., 1], along[..., 0]], axis=2) * (widths_px[..., None] / 2)
    return straight(np.concatenate([curves + across, (curves - across)[:, ::-1]], axis=1), closed=True)


def strokes(paths: Sequence[str], colour: Colour, width_px: float, *, cap: str = "butt") -> Iterator[str]:
    """Elements that draw paths as lines of one width."""
    style = f'fill="none" stroke="{hex_of(colour)}" stroke-width="{width_px:.3f}"'
    for start in range(0, len(paths), CURVES_PER_ELEMENT):
        data = "".join(paths[start : start + CURVES_PER_ELEMENT])
        yield f'<path {style} stroke-linecap="{cap}" stroke-linejoin="round" d="{data}"/>'


def shapes(paths: Sequence[str], colour: Colour, opacity: float = 1.0) -> Iterator[str]:
    """Elements that fill closed paths, the union of those that overlap."""
    style = f'fill="{hex_of(colour)}"' + (f' fill-opacity="{opacity:.3f}"' if opacity < 1 else "")
    for start in range(0, len(paths), CURVES_PER_ELEMENT):
        yield f'<path {style} d="{"".join(paths[start : start + CURVES_PER_ELEMENT])}"/>'


def turned(elements: Iterable[str], angle_deg: float, x: float, y: float) -> str:
    """Elements turned around a point."""
    return f'<g transform="rotate({angle_deg:.2f} {x:.2f} {y:.2f})">{"".join(elements)}</g>'


def circles(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], radius: Float[np.ndarray, " n"]) -> list[str]:
    """Path data of circles."""
    template = "M%.2f %.2fa%.2f %.2f 0 1 0 %.2f 0a%.2f %.2f 0 1 0 %.2f 0Z"
    rows = np.stack([x - radius, y, radius, radius, 2 * radius, radius, radius, -2 * radius], axis=1).tolist()
    return [template % tuple(row) for row in rows]
