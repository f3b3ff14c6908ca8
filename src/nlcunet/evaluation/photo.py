"""The conditions of the protocols ``photo`` and ``photo-other``: what pictures have been through, each under a name.

``photo`` has the damages that networks for photographs are trained on, one by one and together. ``photo-other`` is made
of steps and orders that the training degradation never draws (a camera's mosaic, straight motion, medians, WebP, JPEG
before the reduction): what a network has learned beyond what it was shown.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from nlcunet.degradations.photo import NUMBERS, Numbers
from nlcunet.degradations.presets import draw_record, find_preset, isotropic_record
from nlcunet.degradations.record import SEED_LIMIT, DegradationRecord
from nlcunet.degradations.steps import (
    GRID_PX,
    Blur,
    Denoise,
    Jpeg,
    Mosaic,
    Noise,
    Resize,
    ResizeKernel,
    Sharpen,
    Step,
    WebP,
)

Steps: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way to damage a picture."""

    name: str
    words: str
    """What is done, in words. ``{px_26}`` stands for a sigma of 2.6 px at ×4, in pixels of the original."""
    draw: Callable[[int, torch.Generator], DegradationRecord]
    """The record for a scale; what is left to chance comes from the generator."""

    def described(self, scale: int) -> str:
        """Name and words at a scale."""
        lengths = {f"px_{round(10 * length)}": f"{length * scale / 4:.2f}" for length in (1.2, 1.5, 2.6)}
        return f"{self.name} ({self.words.format(**lengths)})"


def condition_records(name: str, scale: int, seed_text: str) -> tuple[DegradationRecord, ...]:
    """Every condition of a protocol for one picture.

    Args:
        name: Key of `CONDITIONS`.
        scale: Factor by which both sides shrink.
        seed_text: What is left to chance comes from these words and the condition's name, so that no condition
            depends on the others.
    """
    records = []
    for condition in CONDITIONS[name]:
        seed = zlib.crc32(f"{seed_text} {condition.name}".encode())
        records.append(condition.draw(scale, torch.Generator().manual_seed(seed)))
    return tuple(records)


def _chain(make: Callable[[int, Numbers], Steps]) -> Callable[[int, torch.Generator], DegradationRecord]:
    """Steps made of random numbers, as a record."""

    def draw(scale: int, generator: torch.Generator) -> DegradationRecord:
        numbers = Numbers(iter(torch.rand(NUMBERS, dtype=torch.float64, generator=generator).tolist()))
        seed = int(torch.randint(SEED_LIMIT, (), generator=generator))
        return DegradationRecord(scale=scale, steps=make(scale, numbers), seed=seed)

    return draw


def _gaussian(sigma_px: float, noise_std_8bit: float = 0.0) -> Callable[[int, torch.Generator], DegradationRecord]:
    """Round blur and bicubic reduction, and noise where told."""

    def draw(scale: int, generator: torch.Generator) -> DegradationRecord:
        blur = isotropic_record(21, sigma_px * scale / 4, scale=scale)
        if noise_std_8bit == 0:
            return blur
        values = {**blur.to_dict(), "noise_std_8bit": noise_std_8bit}
        return DegradationRecord.from_dict({**values, "seed": int(torch.randint(SEED_LIMIT, (), generator=generator))})

    return draw


def _round_blur(sigma_px: float) -> Blur:
    return Blur(kernel="isotropic", size_px=21, sigma_x_px=sigma_px, sigma_y_px=sigma_px)


def _jpeg(numbers: Numbers, low: int, high: int | None = None) -> Jpeg:
    """JPEG of a quality, or one drawn from a range; its grid lies anywhere."""
    quality = low if high is None else numbers.whole(low, high)
    return Jpeg(quality=quality, grid_top=numbers.whole(0, GRID_PX - 1), grid_left=numbers.whole(0, GRID_PX - 1))


def _blurred_jpeg(quality: int) -> Callable[[int, torch.Generator], DegradationRecord]:
    return _chain(lambda scale, numbers: (_round_blur(1.5 * scale / 4), Resize(), _jpeg(numbers, quality)))


def _reduced_jpeg(kernel: ResizeKernel) -> Callable[[int, torch.Generator], DegradationRecord]:
    return _chain(lambda _, numbers: (Resize(kernel=kernel), _jpeg(numbers, 85)))


def _second_order(scale: int, numbers: Numbers) -> Steps:
    """Two rounds of everything."""
    kernels: tuple[tuple[ResizeKernel, float], ...] = (("bicubic", 0.4), ("bilinear", 0.3), ("area", 0.3))
    return (
        _round_blur(scale / 4 * numbers.uniform(0.5, 2.5)),
        Resize(size=math.sqrt(scale), kernel=numbers.one_of(kernels)),
        Noise(std_8bit=numbers.uniform(1.0, 12.0)),
        _jpeg(numbers, 50, 95),
        _round_blur(numbers.uniform(0.3, 1.0)),
        Resize(kernel=numbers.one_of(kernels)),
        Noise(std_8bit=numbers.uniform(1.0, 8.0)),
        _jpeg(numbers, 50, 95),
    )


def _phone(scale: int, numbers: Numbers) -> Steps:
    """What a telephone does by itself."""
    return (
        _round_blur(1.2 * scale / 4),
        Resize(),
        Noise(std_8bit=8.0, grows_with_brightness=True),
        Denoise(filter="bilateral", radius_px=2, strength_8bit=12.0),
        Sharpen(radius_px=1.0, amount=0.8),
        _jpeg(numbers, 90),
    )


def _defocus(scale: int, numbers: Numbers, low: float, high: float) -> Blur:
    """A disc; radii in low-resolution pixels."""
    return Blur(kernel="defocus", size_px=21, radius_px=scale * numbers.uniform(low, high))


def _motion(scale: int, numbers: Numbers) -> Blur:
    """A straight line of half a low-resolution pixel to three."""
    length = scale * numbers.uniform(0.5, 3.0)
    return Blur(kernel="motion", size_px=21, length_px=length, angle_rad=numbers.uniform(0.0, math.pi))


def _sensor(numbers: Numbers) -> Steps:
    """Noise of light, one colour for each pixel, the others filled in."""
    return Noise(std_8bit=numbers.uniform(2.0, 14.0), grows_with_brightness=True), Mosaic()


def _raw(scale: int, numbers: Numbers) -> Steps:
    """A camera's raw file, developed plainly."""
    return _defocus(scale, numbers, 0.2, 0.8), Resize(kernel="lanczos3"), *_sensor(numbers)


def _camera(scale: int, numbers: Numbers) -> Steps:
    """The same, cleaned and saved."""
    return *_raw(scale, numbers), Denoise(filter="median", radius_px=1), _jpeg(numbers, 80, 95)


def _moved(scale: int, numbers: Numbers) -> Steps:
    """A hand that was not still."""
    noise = Noise(std_8bit=numbers.uniform(1.0, 10.0), is_grey=True)
    return _motion(scale, numbers), Resize(kernel="mitchell"), noise, _jpeg(numbers, 60, 90)


def _website(_: int, numbers: Numbers) -> Steps:
    """A JPEG made smaller for a page."""
    return _jpeg(numbers, 60, 95), Resize(kernel="mitchell"), WebP(quality=numbers.whole(50, 90))


def _messenger(_: int, numbers: Numbers) -> Steps:
    """Sent on twice."""
    middle = Resize(size=numbers.uniform(1.1, 1.6), kernel="mitchell")
    return middle, _jpeg(numbers, 60, 90), Resize(kernel="mitchell"), _jpeg(numbers, 40, 80)


def _edited(scale: int, numbers: Numbers) -> Steps:
    """Out of focus, cleaned by an editor, sharpened, saved."""
    return (
        _defocus(scale, numbers, 0.4, 1.2),
        Noise(std_8bit=numbers.uniform(4.0, 20.0)),
        Resize(kernel="mitchell"),
        Denoise(filter="median", radius_px=1),
        Sharpen(radius_px=numbers.uniform(0.8, 2.0), amount=numbers.uniform(0.5, 1.5)),
        WebP(quality=numbers.whole(60, 95)),
    )


CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "photo": (
        Condition(name="gaussian", words="blur {px_26}", draw=_gaussian(2.6)),
        Condition(name="bicubic", words="no blur", draw=lambda scale, _: DegradationRecord(scale=scale)),
        Condition(
            name="anisotropic",
            words="as anisotropic-standin",
            draw=lambda scale, generator: draw_record(find_preset("anisotropic", scale), generator),
        ),
        Condition(name="jpeg80", words="blur {px_15}, JPEG 80", draw=_blurred_jpeg(80)),
        Condition(name="jpeg50", words="blur {px_15}, JPEG 50", draw=_blurred_jpeg(50)),
        Condition(name="noise5", words="blur {px_15}, noise 5", draw=_gaussian(1.5, 5.0)),
        Condition(name="noise15", words="blur {px_15}, noise 15", draw=_gaussian(1.5, 15.0)),
        Condition(
            name="second-order",
            words="blur, resize, noise 1 to 12, JPEG 50 to 95, blur, resize, noise 1 to 8, JPEG 50 to 95",
            draw=_chain(_second_order),
        ),
        Condition(
            name="phone",
            words="blur {px_12}, photon noise 8, bilateral 12, sharpen 0.8, JPEG 90",
            draw=_chain(_phone),
        ),
        Condition(name="area85", words="area reduction, JPEG 85", draw=_reduced_jpeg("area")),
        Condition(name="lanczos85", words="Lanczos reduction, JPEG 85", draw=_reduced_jpeg("lanczos3")),
    ),
    "photo-other": (
        Condition(name="raw", words="defocus, Lanczos, photon noise, Bayer", draw=_chain(_raw)),
        Condition(name="camera", words="as raw, median, JPEG 80 to 95", draw=_chain(_camera)),
        Condition(name="moved", words="motion, Mitchell, grey noise, JPEG 60 to 90", draw=_chain(_moved)),
        Condition(name="website", words="JPEG 60 to 95, Mitchell, WebP 50 to 90", draw=_chain(_website)),
        Condition(name="messenger", words="Mitchell, JPEG 60 to 90, Mitchell, JPEG 40 to 80", draw=_chain(_messenger)),
        Condition(
            name="edited", words="defocus, noise, Mitchell, median, sharpen, WebP 60 to 95", draw=_chain(_edited)
        ),
    ),
}
"""The conditions of each protocol, in the order of their numbers. Another order, name or number is another version."""
