"""The training pipeline, a batch at a time: the records of `nlcunet.degradations.pipeline`, several times as fast.

Blur and downsampling are both linear, and of the blurred picture only every scale-th pixel is looked at. On a CPU a
round blur and the bicubic downsampling therefore become one matrix for each axis, ``low = A x Aᵀ``, exact to float
rounding, borders included; other kernels are applied in the Fourier domain, where only what downsampling needs is
transformed back. On an accelerator the whole batch is blurred, resized, made noisy and compressed at once, with every
decision taken from the records on the host: nothing waits for the device.

A picture's result depends on the picture and its record only, not on what else is in the batch. Blur, downsampling,
8-bit rounding and JPEG equal the pipeline's (but for pixels on the border between two 8-bit steps); Gaussian noise has
the same distribution, from another source (`nlcunet.degradations.batched_noise`).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from nlcunet.degradations.batched_jpeg import compress_steps, quantisation_tables
from nlcunet.degradations.batched_noise import noise_keys, normal_noise
from nlcunet.degradations.chain import apply_chains
from nlcunet.degradations.noise import add_poisson_noise
from nlcunet.degradations.pipeline import blur, shrink, stack_kernels
from nlcunet.degradations.record import DegradationRecord, pixel_noise_generator, record_kernel
from nlcunet.degradations.steps import JpegChroma
from nlcunet.errors import ConfigError
from nlcunet.imaging.correlation import fast_length
from nlcunet.imaging.resize import axis_taps, resize_axis
from nlcunet.tensors import round_to_8bit

BAND = 16
"""Low-resolution rows per matrix product: short, so that most of a band is not zeros."""


@torch.no_grad()
def degrade_batch(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Does to each picture what its record says, for training.

    Args:
        images: RGB in [0, 1], float32; channels-last memory is fastest on a CPU.
        records: One per picture, all of one scale.

    Returns:
        Low-resolution RGB in [0, 1], in steps of 1/255, channels-last.

    Raises:
        ConfigError: If counts or scales differ, a side of the pictures does not divide by the scale, or a kernel is
            too large for them.
    """
    check_batch(images, records)
    if all(record.steps for record in records):
        return apply_chains(images, records).contiguous(memory_format=torch.channels_last)
    if any(record.steps for record in records):
        singly = [degrade_batch(images[i : i + 1], records[i : i + 1]) for i in range(len(records))]
        return torch.cat(singly).contiguous(memory_format=torch.channels_last)
    all_bicubic = all(record.downsampling == "bicubic" for record in records)
    is_on_cpu = images.device.type == "cpu"
    low_res = (shrink_on_cpu if is_on_cpu and all_bicubic else shrink_at_once)(images, records)
    low_res = round_to_8bit(add_noise(low_res, records))
    return compress(low_res, records).contiguous(memory_format=torch.channels_last)


def check_batch(images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]) -> None:
    """Refuses what cannot be degraded together."""
    batch, _, height, width = images.shape
    scales = sorted({record.scale for record in records})
    if len(records) != batch or len(scales) != 1:
        raise ConfigError(
            f"there must be one record for each picture, all of one scale: got {len(records)} of scale {scales} "
            f"for {batch} pictures"
        )
    if height % scales[0] or width % scales[0]:
        raise ConfigError(
            f"both sides must divide by the scale {scales[0]}: got {height} × {width}; choose another patch size"
        )
    size = max(record.kernel_size_px for record in records)
    if min(height, width) <= size // 2:
        raise ConfigError(
            f"patches must be longer than half the kernel on both sides: got {height} × {width} for a kernel of "
            f"{size} × {size}; use larger patches"
        )


def is_round(record: DegradationRecord) -> bool:
    """Whether a record's kernel is a column times an equal row: a round Gaussian without roughness, or none."""
    return record.kernel == "none" or (record.kernel == "isotropic" and record.kernel_noise == 0)


def shrink_on_cpu(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Blur and downsampling one picture after the other, so that none depends on its neighbours' rounding."""
    with torch.autocast("cpu", enabled=False):
        return torch.stack(
            [
                (shrink_by_matrices if is_round(record) else shrink_by_fourier)(image, record)
                for image, record in zip(images, records, strict=True)
            ]
        )


def shrink_at_once(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """Blur and downsampling of all pictures together, by operations that never use reduced precision."""
    if all(is_round(record) and record.downsampling == "bicubic" for record in records):
        return shrink_all_by_matrices(images, records)
    kernels = stack_kernels([record_kernel(record) for record in records])
    if kernels.shape[-1] > 1:
        separable = all(is_round(record) for record in records)
        images = blur(images.contiguous(), to_device(kernels.float(), images.device), separable=separable)
    return shrink(images, records)


def shrink_all_by_matrices(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 low_height low_width"]:
    """`shrink_by_matrices` for all pictures of a batch in three matrix products, on their device."""
    height, width = images.shape[2:]
    scale, weights = records[0].scale, [gaussian_weights(record) for record in records]
    size = max(len(values) for values in weights)
    stacked = torch.stack([F.pad(values, ((size - len(values)) // 2,) * 2) for values in weights]).float()
    stacked = to_device(stacked, images.device)

    def matrices(length: int) -> Tensor:
        shifts = shifts_on_device(length, scale, size, str(images.device))
        return (stacked @ shifts).view(-1, 1, length // scale, length).to(images.dtype)

    with torch.autocast(images.device.type, enabled=False):
        rows = matrices(height)
        columns = rows if height == width else matrices(width)
        return rows @ images @ columns.transpose(-1, -2)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """A copy of a tensor of the CPU on a device; the host does not wait for it."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def gaussian_weights(record: DegradationRecord) -> Float[Tensor, " size"]:
    """One side of a round kernel, float64, sum 1: the kernel is its product with itself."""
    if record.kernel == "none":
        return torch.ones(1, dtype=torch.float64)
    radius = record.kernel_size_px // 2
    if record.kernel_size_px != 2 * radius + 1 or record.sigma_px <= 0:
        return record_kernel(record)[0]  # raises, with the right words
    # Twenty-one numbers: Python is faster than twelve operations on a tensor.
    weights = [math.exp(-0.5 * (x / record.sigma_px) ** 2) for x in range(-radius, radius + 1)]
    return torch.tensor(weights, dtype=torch.float64) / math.fsum(weights)


@lru_cache(maxsize=16)
def shrinking_shifts(length: int, scale: int, kernel_size: int) -> Float[Tensor, "kernel_size weights"]:
    """For each position in a kernel the matrix that shifts by it, borders reflected, and then shrinks; flattened.

    Weighted with a kernel, their sum is the matrix that blurs and shrinks one axis. Float32, low length × length.
    """
    taps = axis_taps(length, length // scale, antialias=True)
    shifts = np.zeros((kernel_size, length // scale, length))
    rows = np.arange(length // scale)[:, None]
    for position in range(kernel_size):
        shifted = np.abs(taps.indices + position - kernel_size // 2)
        shifted = np.where(shifted < length, shifted, 2 * (length - 1) - shifted)
        np.add.at(shifts[position], (rows, shifted), taps.weights)
    with torch.inference_mode(mode=False):
        return torch.from_numpy(shifts.reshape(kernel_size, -1)).float()


@lru_cache(maxsize=16)
def shifts_on_device(length: int, scale: int, kernel_size: int, device: str) -> Float[Tensor, "kernel_size weights"]:
    """`shrinking_shifts` where the pictures are."""
    with torch.inference_mode(mode=False):
        return shrinking_shifts(length, scale, kernel_size).to(device)


def shrinking_matrix(
    weights: Float[Tensor, " kernel_size"], length: int, scale: int
) -> Float[Tensor, "low_length length"]:
    """The matrix that blurs and shrinks one axis."""
    return (weights.float() @ shrinking_shifts(length, scale, len(weights))).view(length // scale, length)


@lru_cache(maxsize=64)
def shrinking_bands(length: int, scale: int, kernel_size: int) -> tuple[tuple[slice, slice], ...]:
    """The blocks of rows and columns outside of which a shrinking matrix is zero."""
    low_length = length // scale
    used = shrinking_shifts(length, scale, kernel_size).any(dim=0).view(low_length, length)
    bands = []
    for start in range(0, low_length, BAND):
        rows = slice(start, min(start + BAND, low_length))
        columns = used[rows].any(dim=0).nonzero()
        bands.append((rows, slice(int(columns[0]), int(columns[-1]) + 1)))
    return tuple(bands)


def shrink_rows(
    matrix: Float[Tensor, "low_length length"],
    bands: tuple[tuple[slice, slice], ...],
    picture: Float[Tensor, "*batch length columns"],
) -> Float[Tensor, "*batch low_length columns"]:
    """The matrix times the picture, without most of the zeros."""
    return torch.cat([matrix[band] @ picture[..., band[1], :] for band in bands], dim=-2)


def shrink_by_matrices(
    image: Float[Tensor, "3 height width"], record: DegradationRecord
) -> Float[Tensor, "3 low_height low_width"]:
    """Round blur and bicubic downsampling as one matrix product for each axis."""
    height, width = image.shape[1:]
    weights = gaussian_weights(record)
    rows = shrinking_matrix(weights, height, record.scale)
    columns = rows if height == width else shrinking_matrix(weights, width, record.scale)
    # Channels last the columns of all three channels lie side by side: one product for the rows of the picture.
    flat = image.permute(1, 2, 0).reshape(height, 3 * width)
    short = shrink_rows(rows, shrinking_bands(height, record.scale, len(weights)), flat)
    short = short.view(len(rows), width, 3).transpose(1, 2).reshape(3 * len(rows), width)
    return (short @ columns.T).view(len(rows), 3, len(columns)).transpose(0, 1)


def shrink_by_fourier(
    image: Float[Tensor, "3 height width"], record: DegradationRecord
) -> Float[Tensor, "3 low_height low_width"]:
    """Any blur, in the Fourier domain, and bicubic downsampling, rows first, so that fewer are transformed back."""
    (height, width), scale = image.shape[1:], record.scale
    kernel = record_kernel(record).float()
    border = len(kernel) // 2
    tall, wide = fast_length(height + 2 * border), fast_length(width + 2 * border)
    canvas = image.new_zeros(3, tall, wide)
    canvas[:, : height + 2 * border, : width + 2 * border] = F.pad(image[None], (border,) * 4, mode="reflect")[0]
    spectrum = torch.fft.rfft2(canvas)
    spectrum *= torch.fft.fft(torch.fft.rfft(kernel, n=wide), n=tall, dim=0).conj()
    columns = torch.view_as_real(torch.fft.ifft(spectrum, dim=1)).flatten(2)[:, :height]
    rows = shrinking_matrix(torch.ones(1), height, scale)
    short = shrink_rows(rows, shrinking_bands(height, scale, 1), columns)
    short = torch.view_as_complex(short.view(3, len(rows), -1, 2))
    return resize_axis(torch.fft.irfft(short, n=wide, dim=2)[..., :width], 2, width // scale, antialias=True)


def add_noise(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 height width"]:
    """Each picture with its record's noise, not clamped; those without noise are left as they are.

    Poisson noise, which no preset draws, is made picture by picture on the host.
    """
    is_noisy = [record.noise_std_8bit > 0 for record in records]
    if not any(is_noisy):
        return images
    device, (height, width) = images.device, images.shape[-2:]
    stds = [r.noise_std_8bit / 255 if r.noise == "gaussian" else 0.0 for r in records]
    strength = to_device(torch.tensor(stds, dtype=torch.float32).view(-1, 1, 1, 1), device)
    is_grey = to_device(torch.tensor([r.noise_is_grey for r in records]).view(-1, 1, 1, 1), device)
    noise = normal_noise(to_device(noise_keys([r.seed for r in records]), device), (3, height, width))
    noise = torch.where(is_grey, noise[:, :1], noise)
    noisy = torch.where(strength > 0, torch.addcmul(images, noise, strength), images)
    for index, record in enumerate(records):
        if is_noisy[index] and record.noise == "poisson":
            noisy[index] = add_poisson_noise(
                images[index], record.noise_std_8bit, pixel_noise_generator(record), is_grey=record.noise_is_grey
            )
    return noisy


def compress(
    images: Float[Tensor, "batch 3 height width"], records: Sequence[DegradationRecord]
) -> Float[Tensor, "batch 3 height width"]:
    """Each picture after its record's JPEG compression; those without are left as they are."""
    kinds: tuple[JpegChroma, ...] = ("4:2:0", "4:4:4")
    for chroma in kinds:
        chosen = [i for i, r in enumerate(records) if r.jpeg_quality is not None and r.jpeg_chroma == chroma]
        if chosen:
            tables = quantisation_tables([records[i].jpeg_quality or 0 for i in chosen])
            index = to_device(torch.tensor(chosen), images.device)
            steps = (images.index_select(0, index) * 255).round().to(torch.int32)
            compressed = compress_steps(steps, to_device(tables, images.device), chroma=chroma)
            images = images.index_copy(0, index, compressed.to(images.dtype) / 255)
    return images
