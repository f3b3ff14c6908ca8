"""A study of hairlines from nothing: drawn hair and branches, blurred, made small, and enlarged by every system."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.data.drawn.pictures import draw_set
from nlcunet.degradations.pipeline import apply_records
from nlcunet.evaluation.enlargers import Enlarge
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.experiments.study.assembly import Design, MadeStudy, Sources, make_study
from nlcunet.experiments.study.folder import check_is_free
from nlcunet.imaging.files import Picture, write_picture
from nlcunet.tensors import round_to_8bit

KINDS = {"hair": 1.0, "branches": 1.0}
SIDE_PX = 512
DRAWN_SEED = 2_307_000
"""No recipe and no experiment draws from this seed or those next to it, so that nobody has trained on the pictures."""


def make_hairline_study(
    folder: Path,
    models: Mapping[str, Enlarge],
    scale: int,
    design: Design,
    *,
    count: int = 12,
    images: Path | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> MadeStudy:
    """Make pictures of thin structures, what each system makes of them, and a study of it.

    The blurs of the protocol gaussian8 take turns. Participants see the original.

    Args:
        folder: A new or empty folder.
        models: What enlarges, by name.
        scale: By how much.
        design: What whoever asks decides; its seed also chooses the drawn pictures.
        count: Number of pictures.
        images: A folder of sharp photographs to use instead of drawn pictures; the first ones are taken.
        on_image: Called with the number of pictures made and to make.

    Raises:
        ConfigError: a setting is not possible, or the folder holds something.
        DataError: there are no photographs in the folder, or one is too small.
        ImageError: a picture cannot be read, drawn or written.
    """
    check_is_free(folder)
    files: Sequence[Path] = () if images is None else find_originals(images)[:count]
    total = count if images is None else len(files)
    records = [record for _, record in find_protocol("gaussian8", scale).records("hairlines")]
    originals = _drawn(count, design.seed, scale) if images is None else _photographs(files, scale)
    with TemporaryDirectory() as place:
        inside = Path(place)
        systems = {name: inside / f"system-{number}" for number, name in enumerate(models)}
        for number, (name, original) in enumerate(originals):
            low_res = apply_records(original, [records[number % len(records)]])
            _write(original, inside / "original" / f"{name}.png")
            for system, enlarge in models.items():
                _write(enlarge(low_res.float()), systems[system] / f"{name}.png")
            if on_image is not None:
                on_image(number + 1, total)
        return make_study(folder, Sources(systems=systems, original=inside / "original"), design)


def _drawn(count: int, seed: int, scale: int) -> Iterator[tuple[str, Float[Tensor, "1 3 height width"]]]:
    side = SIDE_PX - SIDE_PX % scale
    drawn = draw_set(count, DRAWN_SEED + seed, side, KINDS)
    for name, picture in zip(drawn.names, drawn.pictures, strict=True):
        yield name, picture.permute(2, 0, 1)[None].double() / 255


def _photographs(files: Sequence[Path], scale: int) -> Iterator[tuple[str, Float[Tensor, "1 3 height width"]]]:
    for file in files:
        yield file.stem, read_original(file, scale)


def _write(picture: Float[Tensor, "1 3 height width"], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    steps = (round_to_8bit(picture[0]) * 255).round().to(torch.uint8)
    write_picture(Picture(pixels=steps.permute(1, 2, 0).contiguous().numpy()), path)
