"""Chains of steps applied: each picture goes through the steps of its own record, on the CPU or an accelerator.

On a CPU one picture goes after the other, so that none depends on its neighbours' rounding. On an accelerator those
pictures of a batch that need the same kind of step at the same size go through it together; which ones those are is
known from the records, so that the host never waits for the device.
"""

from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.degradations.batched_jpeg import compress_steps, quantisation_tables
from nlcunet.degradations.batched_noise import noise_keys, normal_noise
from nlcunet.degradations.filters import bilateral, median, mosaic, per_picture
from nlcunet.degradations.kernels import isotropic_gaussian
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.resampling import resample
from nlcunet.degradations.steps import (
    Blur,
    Denoise,
    Jpeg,
    Mosaic,
    Noise,
    Resize,
    Sharpen,
    Step,
    WebP,
    blur_kernel,
)
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.imaging.correlation import correlate_separable, fast_length
from nlcunet.imaging.lossy import webp_round_trip
from nlcunet.tensors import FeatureMap, round_to_8bit

Images: TypeAlias = Float[Tensor, "batch 3 _ _"]


def apply_chains(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Does to each picture what the steps of its record say.

    Args:
        images: RGB in [0, 1], float32 or float64, both sides divisible by the scale.
        records: One per picture, all of one scale, each with steps.

    Returns:
        Low-resolution RGB, in [0, 1], in steps of 1/255.
    """
    height, width = (side // records[0].scale for side in images.shape[2:])
    pictures = list(images.chunk(len(images)))
    for place in range(max(len(record.steps) for record in records)):
        for group in _alike(pictures, records, place):
            steps = [records[number].steps[place] for number in group]
            seeds = [step_seed(records[number], place) for number in group]
            batch = torch.cat([pictures[number] for number in group]) if len(group) > 1 else pictures[group[0]]
            for number, picture in zip(
                group, apply_step(batch, steps, seeds, height, width).chunk(len(group)), strict=True
            ):
                pictures[number] = picture
    return round_to_8bit(torch.cat(pictures))


def step_seed(record: DegradationRecord, place: int) -> str:
    """What the random pixels of a step come from."""
    return f"{record.seed} step {place}"


def _alike(pictures: list[Tensor], records: Sequence[DegradationRecord], place: int) -> list[list[int]]:
    """Numbers of the pictures that still have a step at this place, those together that can go through it together."""
    numbers = [number for number, record in enumerate(records) if place < len(record.steps)]
    if pictures[0].device.type == "cpu":
        return [[number] for number in numbers]
    groups: dict[Hashable, list[int]] = {}
    for number in numbers:
        key = (pictures[number].shape, _batch_key(records[number].steps[place]))
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _batch_key(step: Step) -> Hashable:
    """Equal for steps that one call can do."""
    match step:
        case Blur():
            return step.kind, step.kernel == "none", step.size_px  # the kernel of no blur is a single number
        case Jpeg():
            return step.kind, step.chroma
        case Noise():
            return step.kind, step.is_grey, step.grows_with_brightness
        case Denoise():
            return step.kind, step.filter, step.radius_px
        case Sharpen():
            return step.kind
        case _:
            return step


def apply_step(images: Images, steps: Sequence[Step], seeds: Sequence[str], height: int, width: int) -> Images:
    """One step for pictures of one size; the steps are of one kind and have one `_batch_key`.

    Args:
        images: RGB, batch × 3 × height × width of that moment.
        steps: One for each picture.
        seeds: Where random pixels come from.
        height: Rows at the end of the whole degradation.
        width: Columns at the end.
    """
    match steps[0]:
        case Blur():
            return _blur(images, [step for step in steps if isinstance(step, Blur)], seeds)
        case Resize(size=size, kernel=kernel):
            return resample(images, max(1, round(height * size)), max(1, round(width * size)), kernel)
        case Noise():
            return _add_noise(images, [step for step in steps if isinstance(step, Noise)], seeds)
        case Mosaic():
            return mosaic(images)
        case Denoise(filter="median", radius_px=radius):
            return median(images, radius)
        case Denoise(radius_px=radius):
            return bilateral(images, radius, [step.strength_8bit for step in steps if isinstance(step, Denoise)])
        case Sharpen():
            return _sharpen(images, [step for step in steps if isinstance(step, Sharpen)])
        case Jpeg():
            return _compress(images, [step for step in steps if isinstance(step, Jpeg)])
        case WebP(quality=quality):
            return _compress_webp(images, quality)


def _blur(images: Images, steps: Sequence[Blur], seeds: Sequence[str]) -> Images:
    """Each picture correlated with its own kernel. Kernels are cut to what the picture's reflected border can give."""
    kernels = torch.stack([blur_kernel(step, seed=_seed_number(seed)) for step, seed in zip(steps, seeds, strict=True)])
    reach = min(kernels.shape[-1] // 2, images.shape[2] - 1, images.shape[3] - 1)
    middle = kernels.shape[-1] // 2
    kernels = kernels[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    kernels = (kernels / kernels.sum((1, 2), keepdim=True)).to(images)
    if all(step.kernel == "isotropic" and step.kernel_noise == 0 for step in steps):
        return _correlate_round(images, kernels.sum(-1))
    if images.device.type == "cpu":
        return torch.cat(
            [_correlate_by_fourier(*pair) for pair in zip(images.chunk(len(images)), kernels, strict=True)]
        )
    padded = F.pad(images, (reach,) * 4, mode="reflect").flatten(0, 1)[None]
    weights = kernels.repeat_interleave(3, dim=0)[:, None]
    with torch.autocast(images.device.type, enabled=False):
        return F.conv2d(padded, weights, groups=len(weights)).view(images.shape)


def _seed_number(seed: str) -> int:
    """A number for generators, from the words that name a step of a record."""
    return int(noise_keys([seed])[0, 0])


def _correlate_round(images: FeatureMap, taps: Float[Tensor, "batch size"]) -> FeatureMap:
    """A column times an equal row."""
    batch, channels, height, width = images.shape
    reach = taps.shape[1] // 2
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    planes = padded.reshape(batch * channels, height + 2 * reach, width + 2 * reach)
    taps = taps.repeat_interleave(channels, dim=0)
    return correlate_separable(planes, taps, taps).view(images.shape)


def _correlate_by_fourier(image: Float[Tensor, "1 3 height width"], kernel: Float[Tensor, "size size"]) -> Tensor:
    """Any kernel, in the Fourier domain."""
    height, width = image.shape[2:]
    reach = len(kernel) // 2
    padded = F.pad(image, (reach,) * 4, mode="reflect")
    shape = (fast_length(padded.shape[2]), fast_length(padded.shape[3]))
    spectrum = torch.fft.rfft2(padded, s=shape) * torch.fft.rfft2(kernel, s=shape).conj()
    correlated: Tensor = torch.fft.irfft2(spectrum, s=shape)
    return correlated[..., :height, :width]


def _add_noise(images: Images, steps: Sequence[Noise], seeds: Sequence[str]) -> Images:
    keys = noise_keys(seeds).to(images.device)
    noise = normal_noise(keys, (1 if steps[0].is_grey else 3, *images.shape[2:])).to(images.dtype)
    if any(step.correlation_px > 0 for step in steps):
        reach = min(CORRELATION_REACH_PX, images.shape[2] - 1, images.shape[3] - 1)
        taps = torch.stack([_correlation_taps(step.correlation_px, reach) for step in steps]).to(images)
        strength = taps.square().sum(1).view(-1, 1, 1, 1)  # what is left of independent noise of strength 1
        noise = _correlate_round(noise, taps) / strength
    strength = per_picture(images, [step.std_8bit / 255 for step in steps])
    if steps[0].grows_with_brightness:
        light = images.clamp(0, 1)
        light = rgb_to_luma(light) if steps[0].is_grey else light
        strength = strength * light.sqrt()
    return images + strength * noise


CORRELATION_REACH_PX = 4


def _correlation_taps(sigma_px: float, reach: int) -> Float[Tensor, " size"]:
    """One side of a small round kernel; that of no blur for sigma 0."""
    size = 2 * reach + 1
    if sigma_px > 0:
        return isotropic_gaussian(size, sigma_px).sum(-1)
    return F.one_hot(torch.tensor(reach), size).double()


def _sharpen(images: Images, steps: Sequence[Sharpen]) -> Images:
    size = 2 * min(6, images.shape[2] - 1, images.shape[3] - 1) + 1
    taps = torch.stack([isotropic_gaussian(size, step.radius_px).sum(-1) for step in steps]).to(images)
    difference = images - _correlate_round(images, taps)
    return (images + per_picture(images, [step.amount for step in steps]) * difference).clamp(0, 1)


def _compress(images: Images, steps: Sequence[Jpeg]) -> Images:
    """JPEG, its grid where each step says. What lies before the picture in its first blocks is its reflection."""
    height, width = images.shape[2:]
    tops, lefts = [step.grid_top for step in steps], [step.grid_left for step in steps]
    rows, columns = _shifted_positions(height, tops), _shifted_positions(width, lefts)
    number = torch.arange(len(steps))[:, None, None]
    device = images.device
    eight_bits = (images.clamp(0, 1) * 255).round().to(torch.int32).permute(0, 2, 3, 1)
    if rows.shape[1] > height or columns.shape[1] > width:
        index = [part.to(device) for part in (number, rows[:, :, None], columns[:, None, :])]
        eight_bits = eight_bits[index[0], index[1], index[2]]
    tables = quantisation_tables([step.quality for step in steps]).to(device)
    planes = eight_bits.permute(0, 3, 1, 2).contiguous()
    ends = torch.tensor([[top + height, left + width] for top, left in zip(tops, lefts, strict=True)]).to(device)
    compressed = compress_steps(planes, tables, chroma=steps[0].chroma, ends=ends if len(steps) > 1 else None)
    cut = [
        one[:, top : top + height, left : left + width] for one, top, left in zip(compressed, tops, lefts, strict=True)
    ]
    return torch.stack(cut).to(images.dtype) / 255


def _shifted_positions(length: int, starts: Sequence[int]) -> Tensor:
    """For each picture the row (or column) that stands at every place of its grid: reflected, in order, repeated."""
    places = torch.arange(length + max(starts)) - torch.tensor(starts)[:, None]
    return torch.where(places < 0, -places, places).clamp(max=length - 1)


def _compress_webp(images: Images, quality: int) -> Images:
    """WebP, picture by picture on the host: only test sets use it."""
    compressed = []
    for image in images:
        steps = (image.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(1, 2, 0).numpy()
        decoded = np.ascontiguousarray(webp_round_trip(steps, quality).transpose(2, 0, 1))
        compressed.append(torch.from_numpy(decoded).to(images) / 255)
    return torch.stack(compressed)
