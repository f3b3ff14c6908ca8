"""``nlcunet inspect``: what pictures are, how blurred, noisy and compressed, and which model suits them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlcunet.cli.app import quick_imports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nlcunet.inspection.advice import Advice
    from nlcunet.inspection.blur import BlurEstimate
    from nlcunet.inspection.jpeg_tables import JpegCompression
    from nlcunet.inspection.ranges import ModelFit
    from nlcunet.inspection.reading import Reading

PIPE = "-"


def inspect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Pictures, folders, patterns, or - for standard input.")
    ],
    *,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Search subfolders as well.")] = False,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Refuse pictures with more pixels; by default 500 million.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record per picture.")] = False,
) -> None:
    """Inspect pictures before you enlarge them.

    Shows size, bit depth, colours and profile, estimates blur, noise and JPEG quality, and recommends a model. Pictures
    that cannot be read are named; the others are inspected all the same. Exit codes: 0 all done, 1 some failed, 2 could
    not start.
    """
    import time

    with quick_imports():
        import nlcunet.inspection.reading  # noqa: F401 - brings PyTorch
        from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS

    failed = 0
    for source in find_inputs(inputs, recursive=recursive):
        start = time.perf_counter()
        reading, error = try_to_read(source, max_pixels or DEFAULT_MAX_PIXELS)
        failed += reading is None
        if as_json:
            typer.echo(make_record(source, reading, error, time.perf_counter() - start))
        elif reading is not None:
            typer.echo("\n".join(describe(name_of(source), reading)))
        if error is not None:
            name = name_of(source)
            typer.echo(f"{name}: failed: {error.removeprefix(f'{name} ').removeprefix(f'{name}: ')}", err=True)
    if failed:
        raise typer.Exit(1)


def find_inputs(inputs: "Sequence[str]", *, recursive: bool) -> "list[Path | None]":
    """The files behind all inputs, each once; nothing stands for standard input."""
    from nlcunet.errors import ConfigError
    from nlcunet.inference.jobs import find_pictures

    if PIPE in inputs:
        if len(inputs) > 1:
            raise ConfigError(f"- (standard input) must be the only input: got {len(inputs)} inputs")
        return [None]
    found: list[Path | None] = []
    seen: set[Path] = set()
    for file in (file for name in inputs for file in find_pictures(name, recursive=recursive)):
        if file.place not in seen:
            seen.add(file.place)
            found.append(file.path)
    if not found:
        raise ConfigError(
            f"the inputs must hold pictures: found none in {', '.join(inputs)}"
            + ("" if recursive else "; add -r to search folders within folders")
        )
    return found


def try_to_read(source: "Path | None", max_pixels: int) -> "tuple[Reading | None, str | None]":
    """A reading, or why there is none: one bad file must not end the rest."""
    import sys

    from nlcunet.errors import NlcunetError, explain_out_of_memory, says_out_of_memory
    from nlcunet.inspection.reading import read

    try:
        return read(sys.stdin.buffer.read() if source is None else source, max_pixels=max_pixels), None
    except NlcunetError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - told with its type
        if says_out_of_memory(error):
            return None, explain_out_of_memory(error)
        return None, f"unexpected {type(error).__name__}: {error}; please report it"


def name_of(source: "Path | None") -> str:
    """What to call an input."""
    return "the picture" if source is None else str(source)


def make_record(source: "Path | None", reading: "Reading | None", error: str | None, seconds: float) -> str:
    """One line of JSON, with all keys also where reading failed."""
    import json
    from dataclasses import fields

    from nlcunet.inspection.reading import Reading

    values: dict[str, Any] = {"input": PIPE if source is None else str(source)}
    values["status"] = "failed" if reading is None else "done"
    values |= dict.fromkeys(field.name for field in fields(Reading)) if reading is None else reading.as_json()
    return json.dumps(values | {"seconds": round(seconds, 3), "error": error})


def describe(name: str, reading: "Reading") -> list[str]:
    """A reading for people: a heading, and a line for each thing measured."""
    lines = [f"{name}: {_facts(reading)}"]
    lines += [f"  blur    {_blur(reading.blur)}", f"  noise   {_noise(reading.noise_std_8bit)}"]
    lines += [f"  JPEG    {_jpeg(reading.jpeg)}"]
    lines += [f"  range   {text}" for text in _fits(reading.models)]
    if reading.advice is not None:
        lines += [f"  advice  nlcunet upscale {name} -s {reading.advice.scale}: {_advice(reading.advice)}"]
        lines += [f"  warning {warning}" for warning in reading.advice.warnings]
    return lines + [f"  note    {note}" for note in reading.notes]


def _facts(reading: "Reading") -> str:
    depth = "floating point" if reading.bit_depth == 32 else f"{reading.bit_depth} bit"
    colours = ("grey" if reading.channels == 1 else "RGB") + (" and alpha" if reading.has_alpha else "")
    turned = [] if reading.orientation in {None, 1} else [f"EXIF orientation {reading.orientation}"]
    profile = reading.colour_profile or "no profile (sRGB)"
    size = f"{reading.width}×{reading.height}"
    return ", ".join([f"{size} {reading.file_format}".strip(), f"{depth} {colours}", profile, *turned])


def _blur(blur: "BlurEstimate | None") -> str:
    if blur is None:
        return "unknown: too few clear edges"
    if blur.angle_deg is None:
        return f"{blur.sigma_px:.2f} px, about the same in all directions"
    return f"{blur.major_sigma_px:.2f} px along {blur.angle_deg:.0f}°, {blur.minor_sigma_px:.2f} px across"


def _noise(noise_std_8bit: float | None) -> str:
    if noise_std_8bit is None:
        return "unknown: too few pixels that are not clipped"
    return f"{noise_std_8bit:.1f} of 255 (standard deviation)"


def _jpeg(jpeg: "JpegCompression | None") -> str:
    if jpeg is None:
        return "no traces"
    about = "quality" if jpeg.is_standard else "about quality"
    chroma = f", {jpeg.chroma}" if jpeg.chroma else ""
    origin = "by the file's tables" if jpeg.source == "tables" else "by traces in the pixels"
    return f"{about} {jpeg.quality}{chroma}, {origin}"


def _fits(fits: "Sequence[ModelFit]") -> list[str]:
    names: dict[str, list[str]] = {}
    for fit in fits:
        names.setdefault(_fit(fit), []).append(fit.name)
    return [f"{text}: {', '.join(models)}" for text, models in names.items()]


def _fit(fit: "ModelFit") -> str:
    if fit.range is None:
        return "unknown, the header names no preset"
    told = {"blur": fit.blur, "noise": fit.noise, "JPEG": fit.jpeg}
    outside = [f"{what} {verdict}" for what, verdict in told.items() if verdict not in {"inside", "unknown"}]
    unknown = [f"{what} unknown" for what, verdict in told.items() if verdict == "unknown"]
    return ", ".join(outside + unknown) or "inside"


def _advice(advice: "Advice") -> str:
    shrink = "" if advice.shrink_to is None else f"shrunk to {advice.shrink_to:.0%}, then "
    return f"{shrink}×{advice.scale} with {advice.model}; {advice.reason}"
