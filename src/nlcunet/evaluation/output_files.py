"""Enlarged pictures and estimated kernels, kept as files beside the numbers."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.record import record_kernel
from nlcunet.errors import DataError
from nlcunet.evaluation.set_assembly import npz_bytes, save_png
from nlcunet.evaluation.sets import BenchmarkSet, Pair
from nlcunet.evaluation.systems import System
from nlcunet.files.atomic import write_file_atomically

VIEW_PX = 8
"""Pixels of a kernel's picture for each weight, so that people can see it."""


def folder_name(name: str) -> str:
    """A name as the name of a folder."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "_"


def output_path(folder: Path | None, system: System, measured: BenchmarkSet, stem: str) -> Path | None:
    """Where an enlarged picture is kept; none if it is not.

    What another program made is there already, under its own name.
    """
    if system.files is not None:
        return system.files.get((measured.content_sha256, stem))
    return None if folder is None else folder / folder_name(system.facts.name) / measured.place / f"{stem}.png"


def is_kept(outputs: Path | None, kernels: Path | None, system: System, measured: BenchmarkSet, stem: str) -> bool:
    """Whether the files of a pair that are to be kept are there."""
    picture = output_path(outputs, system, measured, stem)
    if picture is not None and not picture.is_file():
        return False
    if kernels is None or system.estimate_kernels is None:
        return True
    return (kernels / folder_name(system.facts.name) / measured.place / f"{stem}.npz").is_file()


def keep_output(
    folder: Path | None, system: System, measured: BenchmarkSet, pair: Pair, output: Float[Tensor, "3 height width"]
) -> None:
    """Keeps an enlarged picture as PNG with 8 bits: the one that is measured.

    Raises:
        DataError: If its folder cannot be made.
        ImageWriteError: If it cannot be written.
    """
    path = output_path(folder, system, measured, pair.stem)
    if path is not None and system.files is None:
        make_folder(path.parent)
        save_png(output, path)


def keep_kernels(folder: Path | None, system: System, measured: BenchmarkSet, pairs: Sequence[Pair]) -> None:
    """Keeps the kernels that a network sees in its inputs, beside the true ones.

    A pair's ``npz`` holds ``estimated`` and, where there is just one and it is known, ``true``; its ``png`` shows both
    side by side, each with its own largest weight white.

    Raises:
        DataError: If their folder cannot be made.
        ImageWriteError: If a file cannot be written.
    """
    if folder is None or system.estimate_kernels is None:
        return
    target = folder / folder_name(system.facts.name) / measured.place
    make_folder(target)
    for pair, estimated in zip(pairs, system.estimate_kernels(pairs), strict=True):
        kernels = {"estimated": estimated.numpy()}
        if pair.record is not None and pair.record.has_kernel:
            kernels["true"] = record_kernel(pair.record).numpy()
        save_png(kernels_picture(list(kernels.values())), target / f"{pair.stem}.png")
        write_file_atomically(target / f"{pair.stem}.npz", npz_bytes(kernels))


def kernels_picture(kernels: Sequence[np.ndarray]) -> Float[Tensor, "3 height width"]:
    """Kernels side by side, each scaled to its largest weight, in squares of `VIEW_PX`."""
    size = max(len(kernel) for kernel in kernels)
    views = []
    for kernel in kernels:
        before = (size - len(kernel)) // 2
        after = size - len(kernel) - before
        view = np.pad(np.clip(kernel / max(kernel.max(), 1e-12), 0, 1), ((before, after), (before, after)))
        views.append(np.pad(view, 1, constant_values=0.5))
    picture = torch.from_numpy(np.concatenate(views, axis=1).astype(np.float64))
    picture = picture.repeat_interleave(VIEW_PX, dim=0).repeat_interleave(VIEW_PX, dim=1)
    return picture.expand(3, -1, -1)


def make_folder(folder: Path) -> None:
    """Makes a folder and those around it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"files must be kept in a folder: {folder}: {error.strerror}; choose another") from error
