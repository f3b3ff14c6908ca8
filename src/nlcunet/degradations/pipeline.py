"""From sharp to low-resolution: blur, downsampling, noise, JPEG, 8-bit rounding, in this order.

``y = JPEG((x * k)↓s + n)``: the model of every blind super-resolution paper since Liu and Sun (2014). Blur reflects the
picture at its borders without repeating the edge pixel; downsampling is `nlcunet.imaging.resize`, or plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.degradations.chain import apply_chains, apply_step, step_seed
from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.noise import add_gaussian_noise, add_poisson_noise
from nlcunet.degradations.presets import Preset, draw_record
from nlcunet.degradations.record import DegradationRecord, pixel_noise_generator, record_kernel
from nlcunet.degradations.steps import Blur, Resize
from nlcunet.errors import ConfigError
from nlcunet.imaging.correlation import correlate_separable
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.tensors import round_to_8bit


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """A batch of low-resolution pictures and how they came about."""

    low_res: Tensor
    """RGB, batch × 3 × height / scale × width / scale, in [0, 1], in steps of 1/255."""
    records: tuple[DegradationRecord, ...]
    """One per picture; `apply_records` repeats the degradation from them."""


def is_separable(kernels: Float[Tensor, "*batch size size"]) -> bool:
    """Whether every kernel of sum 1 is the product of a column and a row, to 1e-6 of its largest weight.

    On an accelerator this waits for the answer; ask while the kernels are still on the CPU.
    """
    product = kernels.sum(-1, keepdim=True) * kernels.sum(-2, keepdim=True)
    return bool(((product - kernels).abs().amax() <= 1e-6 * kernels.abs().amax()).item())


def blur(
    images: Float[Tensor, "batch 3 height width"],
    kernels: Float[Tensor, "kernels size size"] | Float[Tensor, "size size"],
    *,
    separable: bool | None = None,
) -> Float[Tensor, "batch 3 height width"]:
    """Each picture correlated with its own kernel, all in one call, borders reflected.

    Args:
        images: RGB in [0, 1].
        kernels: One kernel for each picture, or one for all; odd size, sum 1, any float type and device.
        separable: Whether all kernels are products of a column and a row, which two passes over the picture then
            use: 42 instead of 441 multiplications per pixel at 21×21. None looks at the kernels, best on the CPU.

    Returns:
        The blurred pictures, same size.

    Raises:
        ConfigError: If the kernels' size is even, their count does not match, or a side of the pictures is not longer
            than half the kernel.
    """
    batch, channels, height, width = images.shape
    size = kernels.shape[-1]
    if size % 2 == 0:
        raise ConfigError(f"a blur kernel's size must be odd: got {size}; pad it by a row and a column of zeros")
    if kernels.ndim == 3 and len(kernels) != batch:
        raise ConfigError(f"there must be one kernel, or one for each picture: got {len(kernels)} for {batch}")
    if min(height, width) <= size // 2:
        raise ConfigError(
            f"pictures must be longer than half the kernel on both sides: got {height} × {width} for a kernel of "
            f"{size} × {size}; use a larger picture"
        )
    if separable is None:
        separable = is_separable(kernels)
    padded = F.pad(images, (size // 2,) * 4, mode="reflect").reshape(batch * channels, height + size - 1, -1)
    weights = kernels.expand(batch, size, size).repeat_interleave(channels, dim=0).to(images)
    if separable:
        return correlate_separable(padded, weights.sum(-1), weights.sum(-2)).reshape(images.shape)
    # One group per plane: PyTorch's own depth-wise kernels, which never use TF32. Autocast would use 16 bits.
    with torch.autocast(images.device.type, enabled=False):
        return F.conv2d(padded[None], weights[:, None], groups=len(weights)).reshape(images.shape)


def stack_kernels(kernels: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, "batch size size"]:
    """Kernels of any odd sizes in one tensor, the smaller ones surrounded by zeros."""
    size = max(len(kernel) for kernel in kernels)
    return torch.stack([F.pad(kernel, ((size - len(kernel)) // 2,) * 4) for kernel in kernels])


def apply_records(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Does to each picture exactly what its record says.

    Args:
        images: RGB in [0, 1]; in float64 the result is the same on every machine, in float32 a pixel that falls on
            the border between two 8-bit steps may tip.
        records: One per picture, all of one scale.

    Returns:
        Low-resolution RGB in [0, 1], in steps of 1/255, of the images' type and device.

    Raises:
        ConfigError: If counts or scales differ, or a side of the pictures does not divide by the scale.
    """
    batch, _, height, width = images.shape
    scales = {record.scale for record in records}
    if len(records) != batch or len(scales) != 1:
        raise ConfigError(
            f"there must be one record for each picture, all of one scale: got {len(records)} of scale "
            f"{sorted(scales)} for {batch} pictures"
        )
    scale = scales.pop()
    if height % scale or width % scale:
        raise ConfigError(
            f"both sides must divide by the scale {scale}: got {height} × {width}; crop the picture first"
        )
    if any(record.steps for record in records):
        singly = (apply_one(image[None], record) for image, record in zip(images, records, strict=True))
        return torch.cat(list(singly))
    kernels = stack_kernels([record_kernel(record) for record in records])
    blurred = images if kernels.shape[-1] == 1 else blur(images, kernels, separable=is_separable(kernels))
    low_res = shrink(blurred, records)
    if any(record.noise_std_8bit > 0 or record.jpeg_quality is not None for record in records):
        low_res = torch.stack([add_noise_and_jpeg(*pair) for pair in zip(low_res, records, strict=True)])
    return round_to_8bit(low_res)


def apply_one(
    image: Float[Tensor, "1 3 height width"], record: DegradationRecord
) -> Float[Tensor, "1 3 low_height low_width"]:
    """What a record says, for one picture: its chain of steps, or what records without one do."""
    return apply_chains(image, [record]) if record.steps else apply_records(image, [record])


def shrink(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Each picture downsampled as its record says; all records are of one scale."""
    scale, (height, width) = records[0].scale, images.shape[-2:]
    is_plain = [record.downsampling == "plain" for record in records]
    kept = images[..., scale // 2 :: scale, scale // 2 :: scale]
    if all(is_plain):
        return kept
    low_res = resize_bicubic(images, height // scale, width // scale)
    if any(is_plain):
        low_res = torch.where(torch.tensor(is_plain, device=images.device).view(-1, 1, 1, 1), kept, low_res)
    return low_res


def blur_and_shrink(
    image: Float[Tensor, "1 3 height width"], record: DegradationRecord
) -> Float[Tensor, "1 3 low_height low_width"]:
    """What is linear in a record: its blurs and reductions, without noise, compression, filters and rounding."""
    if not record.steps:
        kernel = record_kernel(record)
        return shrink(image if len(kernel) == 1 else blur(image, kernel), [record])
    height, width = (side // record.scale for side in image.shape[2:])
    for place, step in enumerate(record.steps):
        if isinstance(step, Blur | Resize):
            image = apply_step(image, [step], [step_seed(record, place)], height, width)
    return image


def add_noise_and_jpeg(
    image: Float[Tensor, "3 height width"], record: DegradationRecord
) -> Float[Tensor, "3 height width"]:
    """The two stages after downsampling, for one picture."""
    if record.noise_std_8bit > 0:
        add_noise = {"gaussian": add_gaussian_noise, "poisson": add_poisson_noise}[record.noise]
        generator = pixel_noise_generator(record)
        image = add_noise(image, record.noise_std_8bit, generator, is_grey=record.noise_is_grey)
    if record.jpeg_quality is not None:
        image = compress_jpeg(image, record.jpeg_quality, chroma=record.jpeg_chroma)
    return image


def degrade(images: Float[Tensor, "batch 3 height width"], preset: Preset, random: torch.Generator | int) -> Degraded:
    """Low-resolution pictures by degradations drawn from a preset, each picture its own.

    Args:
        images: RGB in [0, 1], sides divisible by the preset's scale, on any device.
        preset: What may happen, such as `find_preset("isotropic", 4)`.
        random: A generator on the CPU, which moves on, or a seed. Equal seeds give equal pictures, bit for bit.

    Returns:
        The low-resolution pictures and their records.

    Raises:
        ConfigError: If a side of the pictures does not divide by the scale, or is too short for the kernels.
    """
    generator = torch.Generator().manual_seed(random) if isinstance(random, int) else random
    records = tuple(draw_record(preset, generator) for _ in range(len(images)))
    return Degraded(low_res=apply_records(images, records), records=records)
