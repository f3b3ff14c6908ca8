"""DIV2KRK as a benchmark set: the pictures that KernelGAN's authors published, under a manifest.

Their folder holds ``gt`` (originals), ``lr_x2`` and ``lr_x4`` (inputs, each by a kernel of its own) and ``gt_k_x2``,
``gt_k_x4`` (kernels, as MATLAB files, which are not read). The inputs go into the set byte for byte.
"""

import re
from collections.abc import Callable
from pathlib import Path

from nlcunet.errors import DataError, ImageError
from nlcunet.evaluation.manifests import (
    HIGH_RES,
    LOW_RES,
    OriginalEntry,
    PairEntry,
    SetManifest,
    pixels_sha256,
)
from nlcunet.evaluation.originals import find_originals, to_tensor
from nlcunet.evaluation.protocols import Protocol
from nlcunet.evaluation.set_assembly import finish_set, make_plan, open_target, save_png
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_file
from nlcunet.imaging.files import read_picture


def make_div2krk(
    folder: Path, protocol: Protocol, target: Path, name: str, *, on_file_done: Callable[[Path], None] = lambda _: None
) -> SetManifest:
    """Makes a set of a DIV2KRK folder, which holds ``gt`` and ``lr_x2`` or ``lr_x4``.

    Raises:
        DataError: If the folder is not DIV2KRK's, originals and inputs do not belong together, or the target holds
            something else.
        ImageWriteError: If a file cannot be written.
    """
    truths = by_number(folder / "gt")
    inputs = by_number(folder / f"lr_x{protocol.scale}")
    if truths.keys() != inputs.keys():
        alone = sorted(truths.keys() ^ inputs.keys())[:5]
        raise DataError(
            f"originals and inputs must come in pairs: in {folder} number {', '.join(map(str, alone))} is only in one "
            f"of gt and lr_x{protocol.scale}; unpack DIV2KRK again"
        )
    plan = make_plan(name, protocol, truths.values())
    plan["inputs"] = {truths[number].name: hash_file(path) for number, path in inputs.items()}
    if finished := open_target(target, plan):
        return finished
    originals, pairs = [], []
    for number, truth in truths.items():
        original, pair = write_pair(truth, inputs[number], target, protocol.scale)
        originals.append(original)
        pairs.append(pair)
        on_file_done(truth)
    return finish_set(target, name, protocol, originals, pairs)


def by_number(folder: Path) -> dict[int, Path]:
    """The pictures of a folder by the number in their names, as ``im_7.png`` and ``img_7_gt.png``, in order."""
    numbered: dict[int, Path] = {}
    for path in find_originals(folder):
        match = re.search(r"\d+", path.stem)
        if match is None or int(match[0]) in numbered:
            raise DataError(
                f"pictures of DIV2KRK must have a number of their own in their names, as im_7.png: got {path}; "
                "unpack DIV2KRK again"
            )
        numbered[int(match[0])] = path
    return dict(sorted(numbered.items()))


def write_pair(truth: Path, low_res: Path, target: Path, scale: int) -> tuple[OriginalEntry, PairEntry]:
    """Puts one pair into a set."""
    try:
        low_pixels, pixels = read_picture(low_res).pixels, read_picture(truth).pixels
    except ImageError as error:
        raise DataError(f"every picture of DIV2KRK must be readable: {error}; unpack it again") from error
    height, width = (scale * side for side in low_pixels.shape[:2])
    spare = (pixels.shape[0] - height, pixels.shape[1] - width)
    if low_pixels.shape[2] != 3 or pixels.shape[2] != 3 or not all(0 <= rest < scale for rest in spare):
        raise DataError(
            f"an original must be RGB and {scale} times the size of its input: {truth} has {pixels.shape}, {low_res} "
            f"has {low_pixels.shape}; unpack DIV2KRK again, or choose the other scale"
        )
    stem = low_res.stem
    # Named by the input, whose file stays as it is; the original keeps its bytes too where nothing is cut off.
    high_file, low_file = f"{HIGH_RES}/{truth.stem}.png", f"{LOW_RES}/{stem}_k0{low_res.suffix.lower()}"
    write_file_atomically(target / low_file, low_res.read_bytes())
    if spare == (0, 0) and truth.suffix.lower() == ".png":
        write_file_atomically(target / high_file, truth.read_bytes())
    else:
        save_png(to_tensor(pixels[:height, :width])[0], target / high_file, deep=pixels.dtype.itemsize > 1)
    original = OriginalEntry(
        image=truth.name,
        original_sha256=hash_file(truth),
        file=high_file,
        sha256=hash_file(target / high_file),
        pixels_sha256=pixels_sha256(pixels[:height, :width]),
        height=height,
        width=width,
    )
    pair = PairEntry(
        image=truth.name,
        kernel_index=0,
        file=low_file,
        sha256=hash_file(target / low_file),
        pixels_sha256=pixels_sha256(low_pixels),
        degradation=None,
    )
    return original, pair
