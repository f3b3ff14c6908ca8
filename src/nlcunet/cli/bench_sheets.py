"""``nlcunet bench sheets``: real pictures enlarged by models side by side, to be looked at."""

from pathlib import Path
from typing import Annotated

import typer

from nlcunet.cli.options import Device, Threads


def sheets(
    *,
    images: Annotated[Path, typer.Option("--images", help="Folder of pictures to enlarge.")],
    model: Annotated[
        list[str], typer.Option("-m", "--model", help="Show this model: name, file or NAME=FILE; may be repeated.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the sheets, one per picture.")],
    places: Annotated[int, typer.Option(min=0, help="Number of crops, from where models differ most.")] = 3,
    crop: Annotated[int, typer.Option(min=32, max=2048, help="Side of a crop, in pixels of the result.")] = 384,
    sheet_format: Annotated[str, typer.Option("--format", help="png or lossless webp.")] = "png",
    limit: Annotated[int | None, typer.Option(min=1, help="Use only this many pictures, the first ones.")] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Show models side by side on real pictures, with Lanczos: the whole and crops at full size. Measures nothing.

    Exit codes: 0 done, 1 some pictures could not be read, 2 could not start.
    """
    from nlcunet.cli.terminal import open_screen
    from nlcunet.errors import ConfigError, ImageError
    from nlcunet.evaluation.enlargers import LANCZOS
    from nlcunet.evaluation.originals import find_originals
    from nlcunet.evaluation.report.kept import rgb_of
    from nlcunet.evaluation.sheets import enlarge_lanczos, make_sheet
    from nlcunet.evaluation.systems import split_name
    from nlcunet.imaging.files import read_picture, write_picture
    from nlcunet.imaging.picture import Picture
    from nlcunet.inference.loading import load
    from nlcunet.runtime import thread_limit

    if sheet_format not in {"png", "webp"}:
        raise ConfigError(f"a sheet must be png or webp: got {sheet_format!r}")
    named = [(name or Path(source).stem, source) for name, source in map(split_name, model)]
    names = [LANCZOS, *(name for name, _ in named)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"models must have names of their own: two are called {twice[0]}; say NAME=…")
    files = find_originals(images)[:limit]
    upscalers = {name: load(source, device=device, threads=threads) for name, source in named}
    scales = sorted({one.header.scale for one in upscalers.values()})
    if len(scales) > 1:
        raise ConfigError(f"models of one sheet must enlarge alike: got scales {scales}; make sheets for each scale")
    output.mkdir(parents=True, exist_ok=True)
    notes, failed = open_screen(), 0
    for path in files:
        try:
            pixels = rgb_of(read_picture(path))
        except ImageError as error:
            notes.print(f"skipped: {path.name}: {error}")
            failed += 1
            continue
        outputs = {LANCZOS: enlarge_lanczos(pixels, scales[0])}
        outputs |= {name: one.upscale(pixels) for name, one in upscalers.items()}
        with thread_limit(threads):
            sheet = make_sheet(outputs, places=places, crop_px=crop, scale=scales[0])
        target = output / f"{path.name}.{sheet_format}"
        write_picture(Picture(pixels=sheet), target, quality=100 if sheet_format == "webp" else None)
        notes.print(f"sheet: {target}")
    if failed:
        raise typer.Exit(1)
