"""Pictures of which blur, noise and compression are known."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.imaging.files import Picture, read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.inspection.windows import Window, windows_of

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "anhinga_original.webp"


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """The example photograph at 2/5 of its size, 704 × 512: sharp, hardly noisy, without traces of JPEG."""
    pixels = torch.from_numpy(read_picture(PHOTOGRAPH).pixels).permute(2, 0, 1)[None].float() / 255
    return to_pixels(resize_bicubic(pixels, 704, 512))


@pytest.fixture(scope="session")
def degraded(photograph: np.ndarray) -> Callable[..., np.ndarray]:
    """Makes low-resolution pictures of it, 352 × 256; sigmas are in their pixels."""

    def degraded(sigma_px: float = 0.0, other_px: float | None = None, **more: float) -> np.ndarray:
        image = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
        sigmas = [2 * sigma for sigma in (sigma_px, sigma_px if other_px is None else other_px)]
        size = 2 * math.ceil(3.5 * max(sigmas)) + 1
        kind = "none" if size == 1 else "anisotropic"
        record = DegradationRecord(
            scale=2, kernel=kind, kernel_size_px=size, sigma_x_px=sigmas[0], sigma_y_px=sigmas[1], **more
        )
        return to_pixels(apply_records(image, [record]))

    return degraded


@pytest.fixture(scope="session")
def steps() -> Callable[..., tuple[Window, ...]]:
    """Draws ideal steps of all directions, each in a window of its own, seen through a known Gaussian."""

    def steps(sigma_px: float, other_px: float | None = None, angle_deg: float = 0.0, side: int = 64) -> tuple:
        return tuple(
            window
            for number in range(48)
            for window in windows_of(Picture(pixels=draw_step(number, (sigma_px, other_px), angle_deg, side)))
        )

    return steps


def draw_step(number: int, sigmas_px: tuple[float, float | None], angle_deg: float, side: int) -> np.ndarray:
    """One step, its direction, place and contrast chosen by a number: grey, 8 bit."""
    random = np.random.default_rng(number)
    normal = 2 * math.pi * (number + random.random()) / 48
    offset, (low, high) = random.uniform(-5, 5), random.uniform(20, 235, 2)
    turned = normal - math.radians(angle_deg)
    first, second = sigmas_px[0], sigmas_px[0] if sigmas_px[1] is None else sigmas_px[1]
    sigma = math.hypot(first * math.cos(turned), second * math.sin(turned))
    axis = np.arange(side) - (side - 1) / 2
    distance = math.cos(normal) * axis[None] + math.sin(normal) * axis[:, None] - offset
    share = 0.5 * (1 + torch.erf(torch.from_numpy(distance / sigma / math.sqrt(2))).numpy())
    return np.rint(low + (high - low) * share).astype(np.uint8)[:, :, None]


def to_pixels(image: torch.Tensor) -> np.ndarray:
    """The only picture of a batch, 8 bit, height × width × 3."""
    return (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
