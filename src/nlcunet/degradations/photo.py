"""The degradation ``photo``: what photographs have been through before somebody enlarges them.

A part of the samples is clean: blurred by a round Gaussian and reduced bicubically, nothing else, so that a network
trained on it keeps what it can do with such pictures. Another part is damaged once: by noise, by JPEG, by a camera that
denoises, sharpens and compresses, or by somebody who enlarges a noisy picture a little. The rest goes through one or
two rounds of blur and reduction by what programs really use, noise, JPEG, denoising and sharpening. Shares and ranges
are from measurements on pictures as they circulate (docs/photo.md); the order of steps is that of "Real-ESRGAN" (Wang
et al., ICCVW 2021, https://arxiv.org/abs/2107.10833) with milder damage, because fidelity comes first here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from nlcunet.degradations.steps import (
    GRID_PX,
    Blur,
    Denoise,
    Jpeg,
    JpegChroma,
    Noise,
    Resize,
    ResizeKernel,
    Sharpen,
    Step,
)

Choice = TypeVar("Choice")

NUMBERS = 64
"""Random numbers that one sample takes, used or not: samples stay the same whatever the one before needed."""


@dataclass(frozen=True, kw_only=True)
class PhotoPreset:
    """Shares and ranges of the degradation; sigmas before the reduction are those at ×4 and fall with the scale."""

    scale: int
    """Factor by which both sides shrink."""
    clean_share: float = 0.25
    """Samples with nothing but round blur (sigma 0.2 to ``scale`` px, as in setting 1) and bicubic reduction."""
    once_share: float = 0.45
    """Of the others: samples with one kind of damage, drawn from `DAMAGES`."""
    blur_share: float = 0.8
    """Of those that are not clean: samples that are blurred before the reduction."""
    max_round_sigma_px: float = 3.0
    """Largest sigma of round blur, at ×4."""
    max_elliptic_sigma_px: float = 4.0
    """Largest sigma of either axis of elliptic blur, at ×4."""
    ringing_share: float = 0.1
    """Blurs that are a hard low-pass filter instead."""
    detour_share: float = 0.4
    """Of those damaged more than once, as all shares below: samples that are reduced to ``detour_sizes`` first, and to
    their size later."""
    detour_sizes: tuple[float, ...] = (1.5, 2.0)
    """Sizes in between, as multiples of the size at the end; only those below the scale are used."""
    small_detour_share: float = 0.4
    """Detours that are below the size at the end instead, so that what was done there is enlarged with the picture."""
    min_small_detour: float = 0.6
    """Smallest of these; the largest is `MAX_SMALL_DETOUR`."""
    noise_share: float = 0.65
    """Samples with noise; those with a detour may get some there, too: half as often, as often where it is small."""
    max_noise_std_8bit: float = 25.0
    """Strongest noise; standard deviations are this times the square of a uniform number: weak noise is common."""
    grey_noise_share: float = 0.4
    """Noise that is alike in all channels."""
    correlated_noise_share: float = 0.35
    """Noise that reaches over neighbouring pixels."""
    max_noise_correlation_px: float = 1.6
    """Widest reach of such noise, as the sigma of a Gaussian."""
    photon_noise_share: float = 0.35
    """Noise that grows with the root of the brightness."""
    denoise_share: float = 0.3
    """Noisy samples that are denoised, as a camera does."""
    sharpen_share: float = 0.3
    """Samples that are sharpened."""
    first_jpeg_share: float = 0.5
    """Samples that are compressed before the last steps."""
    last_jpeg_share: float = 0.65
    """Samples that are compressed at the end."""
    min_jpeg_quality: int = 30
    """Lowest quality."""
    min_camera_quality: int = 75
    """Lowest quality of a camera that denoises and sharpens, where that is the one damage."""
    max_jpeg_quality: int = 98
    """Highest quality."""
    full_chroma_share: float = 0.3
    """JPEGs with 4:4:4 chroma instead of 4:2:0."""


RESIZE_KERNELS: tuple[tuple[ResizeKernel, float], ...] = (
    ("bicubic", 0.3),
    ("lanczos3", 0.24),
    ("area", 0.2),
    ("bilinear", 0.12),
    ("bilinear-plain", 0.1),
    ("nearest", 0.04),
)
"""How often pictures are reduced by which kernel."""

MAX_SMALL_DETOUR = 0.95
"""A picture that is enlarged by less than from here looks as if it were not."""

Damage: TypeAlias = Literal["noise", "jpeg", "camera", "enlarged"]

DAMAGES: tuple[tuple[Damage, float], ...] = (("noise", 0.32), ("jpeg", 0.42), ("camera", 0.17), ("enlarged", 0.09))
"""How often pictures that are damaged once are damaged by what."""


@dataclass
class Numbers:
    """Uniform numbers in [0, 1), taken one after the other."""

    source: Iterator[float]

    def uniform(self, low: float, high: float) -> float:
        """A number between two others."""
        return low + (high - low) * next(self.source)

    def happens(self, share: float) -> bool:
        """Whether something that happens in this share of samples does so in this one."""
        return next(self.source) < share

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        return low + int((high - low + 1) * next(self.source))

    def one_of(self, choices: Sequence[tuple[Choice, float]]) -> Choice:
        """One of several things, each with its share; shares sum to 1."""
        left = next(self.source)
        for choice, share in choices:
            left -= share
            if left < 0:
                return choice
        return choices[-1][0]


def draw_steps(preset: PhotoPreset, uniform: Sequence[float]) -> tuple[Step, ...]:
    """The steps of one sample.

    Args:
        preset: Shares and ranges.
        uniform: At least `NUMBERS` numbers in [0, 1).
    """
    numbers = Numbers(iter(uniform))
    if numbers.happens(preset.clean_share):
        sigma = numbers.uniform(0.2, float(preset.scale))
        return Blur(kernel="isotropic", size_px=21, sigma_x_px=sigma, sigma_y_px=sigma), Resize()
    steps: list[Step] = []
    is_damaged_once = numbers.happens(preset.once_share)
    if numbers.happens(preset.blur_share):
        steps.append(_draw_blur(preset, numbers))
    if is_damaged_once:
        return *steps, *_draw_damage(preset, numbers)
    has_first_jpeg = numbers.happens(preset.first_jpeg_share)
    if numbers.happens(preset.detour_share):
        size = _draw_detour(preset, numbers)
        steps.append(Resize(size=size, kernel=numbers.one_of(RESIZE_KERNELS)))
        if numbers.happens(preset.noise_share if size < 1 else preset.noise_share / 2):
            steps.append(_draw_noise(preset, numbers))
        if has_first_jpeg:
            steps.append(_draw_jpeg(preset, numbers))
            has_first_jpeg = False
        if numbers.happens(0.3):
            sigma = numbers.uniform(0.3, 1.0)
            steps.append(Blur(kernel="isotropic", size_px=9, sigma_x_px=sigma, sigma_y_px=sigma))
    steps.append(Resize(kernel=numbers.one_of(RESIZE_KERNELS)))
    if numbers.happens(preset.noise_share):
        steps.append(_draw_noise(preset, numbers))
    if has_first_jpeg:
        steps.append(_draw_jpeg(preset, numbers))
    if any(isinstance(step, Noise) for step in steps) and numbers.happens(preset.denoise_share):
        steps.append(_draw_denoising(numbers))
    if numbers.happens(preset.sharpen_share):
        steps.append(_draw_sharpening(numbers))
    if numbers.happens(preset.last_jpeg_share):
        steps.append(_draw_jpeg(preset, numbers))
    return tuple(steps)


def _draw_damage(preset: PhotoPreset, numbers: Numbers) -> tuple[Step, ...]:
    """The reduction and the one damage of a picture."""
    reduction = Resize(kernel=numbers.one_of(RESIZE_KERNELS))
    match numbers.one_of(DAMAGES):
        case "noise":
            return reduction, _draw_noise(preset, numbers)
        case "jpeg":
            return reduction, _draw_jpeg(preset, numbers)
        case "camera":
            compression = _draw_jpeg(replace(preset, min_jpeg_quality=preset.min_camera_quality), numbers)
            done = _draw_noise(preset, numbers), _draw_denoising(numbers), _draw_sharpening(numbers), compression
            return reduction, *done
        case "enlarged":
            smaller = replace(reduction, size=_draw_small_detour(preset, numbers))
            noise, enlargement = _draw_noise(preset, numbers), Resize(kernel=numbers.one_of(RESIZE_KERNELS))
            sharpening = (_draw_sharpening(numbers),) if numbers.happens(0.5) else ()
            return smaller, noise, enlargement, *sharpening, _draw_jpeg(preset, numbers)


def _draw_detour(preset: PhotoPreset, numbers: Numbers) -> float:
    """A size in between, as a multiple of that at the end."""
    sizes = [size for size in preset.detour_sizes if size < preset.scale]
    if not sizes or numbers.happens(preset.small_detour_share):
        return _draw_small_detour(preset, numbers)
    return numbers.one_of([(size, 1 / len(sizes)) for size in sizes])


def _draw_small_detour(preset: PhotoPreset, numbers: Numbers) -> float:
    """A size below that at the end."""
    return numbers.uniform(preset.min_small_detour, MAX_SMALL_DETOUR)


def _draw_denoising(numbers: Numbers) -> Denoise:
    """What a camera does against noise."""
    strength = numbers.uniform(4.0, 24.0)
    return Denoise(filter="bilateral", radius_px=numbers.whole(1, 2), strength_8bit=strength)


def _draw_sharpening(numbers: Numbers) -> Sharpen:
    return Sharpen(radius_px=numbers.uniform(0.5, 1.5), amount=numbers.uniform(0.2, 1.2))


def _draw_blur(preset: PhotoPreset, numbers: Numbers) -> Blur:
    part = preset.scale / 4
    if numbers.happens(preset.ringing_share):
        return Blur(kernel="ringing", size_px=21, cutoff_rad=numbers.uniform(math.pi / preset.scale, math.pi))
    if numbers.happens(0.5):
        sigma = part * numbers.uniform(0.3, preset.max_round_sigma_px)
        return Blur(kernel="isotropic", size_px=21, sigma_x_px=sigma, sigma_y_px=sigma)
    return Blur(
        kernel="anisotropic",
        size_px=25,
        sigma_x_px=part * numbers.uniform(0.4, preset.max_elliptic_sigma_px),
        sigma_y_px=part * numbers.uniform(0.4, preset.max_elliptic_sigma_px),
        angle_rad=numbers.uniform(-math.pi, math.pi),
    )


def _draw_noise(preset: PhotoPreset, numbers: Numbers) -> Noise:
    return Noise(
        std_8bit=preset.max_noise_std_8bit * numbers.uniform(0.0, 1.0) ** 2,
        is_grey=numbers.happens(preset.grey_noise_share),
        grows_with_brightness=numbers.happens(preset.photon_noise_share),
        correlation_px=_draw_correlation(preset, numbers),
    )


def _draw_correlation(preset: PhotoPreset, numbers: Numbers) -> float:
    """How far noise reaches."""
    if not numbers.happens(preset.correlated_noise_share):
        return 0.0
    return numbers.uniform(0.4, preset.max_noise_correlation_px)


def _draw_jpeg(preset: PhotoPreset, numbers: Numbers) -> Jpeg:
    chroma: JpegChroma = "4:4:4" if numbers.happens(preset.full_chroma_share) else "4:2:0"
    return Jpeg(
        quality=numbers.whole(preset.min_jpeg_quality, preset.max_jpeg_quality),
        chroma=chroma,
        grid_top=numbers.whole(0, GRID_PX - 1),
        grid_left=numbers.whole(0, GRID_PX - 1),
    )
