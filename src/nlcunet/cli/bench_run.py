"""``nlcunet bench run``: systems × benchmark sets → records and a table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlcunet.cli.options import Device, MeasuredModels, Scale, Sigmas, Threads, read_names, read_sigmas

if TYPE_CHECKING:
    import torch

    from nlcunet.evaluation.measures import Measure
    from nlcunet.evaluation.records import Records
    from nlcunet.evaluation.sets import BenchmarkSet
    from nlcunet.evaluation.systems import System


def run(
    sets: Annotated[list[Path] | None, typer.Argument(help="Sets made by nlcunet bench make.")] = None,
    *,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder of originals, instead of sets; needs --protocol and --scale."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="gaussian8, bicubic, anisotropic-standin, blur-noise-jpeg, diverse, photo or photo-other."),
    ] = "gaussian8",
    scale: Scale = 4,
    sigmas: Sigmas = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Measure only this many originals, the first ones.")] = None,
    model: MeasuredModels = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            "--pictures", help="NAME=FOLDER: measure pictures that another program made from LR/; may be repeated."
        ),
    ] = None,
    no_bicubic: Annotated[bool, typer.Option("--no-bicubic", help="Leave out bicubic enlargement.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write records to this file: .jsonl, or .parquet with a .jsonl beside it."),
    ] = None,
    measures: Annotated[
        str,
        typer.Option(
            help="Measures, with commas: psnr_y, ssim_y, psnr_rgb, consistency, niqe, effnet_lite0, lpips, dists."
        ),
    ] = "psnr_y,ssim_y,psnr_rgb",
    measure_weights: Annotated[
        list[str] | None,
        typer.Option(help="Weights for lpips and dists, for example lpips_linear_weights=alex.pth."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option("-t", "--tile", min=1, help="Side of tiles; by default the whole picture.")
    ] = None,
    keep_outputs: Annotated[Path | None, typer.Option(help="Keep enlarged pictures in this folder.")] = None,
    save_kernels: Annotated[
        Path | None, typer.Option(help="Keep the kernels that networks estimate in this folder.")
    ] = None,
    no_cost: Annotated[bool, typer.Option("--no-cost", help="Do not measure time and memory.")] = False,
    cost_size: Annotated[int, typer.Option(min=16, help="Side of the input for measuring costs.")] = 128,
    cache: Annotated[Path | None, typer.Option(help="Folder for earlier results; by default your cache.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ignore earlier results and measure everything again.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Measure models, or pictures from other programs, on benchmark sets; print a table and keep records."""
    from rich.markup import escape

    from nlcunet.cli.bench_table import print_tables
    from nlcunet.cli.terminal import open_counting_bars, open_screen
    from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
    from nlcunet.evaluation.cost import with_cost
    from nlcunet.evaluation.machine import describe_machine
    from nlcunet.files.cache import cache_folder
    from nlcunet.runtime import choose_device, thread_limit

    notes = open_screen()
    check_output(output)
    found = open_sets(sets or [], images, protocol=protocol, scale=scale, sigmas=sigmas, limit=limit)
    chosen_device = choose_device(device)
    chosen_measures, identity = load_measures(read_names(measures), measure_weights or [], chosen_device)
    options = RunOptions(
        measures=chosen_measures,
        measures_identity=identity,
        device=chosen_device,
        cache=None if no_cache else cache or cache_folder("bench"),
        outputs=keep_outputs,
        kernels=save_kernels,
    )
    with thread_limit(threads):
        systems = find_systems(found, model, pictures or [], chosen_device, tile=tile, with_bicubic=not no_bicubic)
        if not no_cost:
            machine = describe_machine(chosen_device)
            systems = tuple(with_cost(one, cost_size, chosen_device, machine, options.cache) for one in systems)
        with open_counting_bars(notes) as bars:
            bar = bars.add_task("", total=len(systems) * sum(one.facts.pairs for one in found))

            def on_pairs_done(system: "System", count: int) -> None:
                bars.update(bar, advance=count, description=escape(system.facts.name))

            done = run_benchmark(found, systems, replace(options, on_pairs_done=on_pairs_done))
    if output is not None:
        write_output(output, done)
        notes.print(f"records: {output}")
    table_format = "markdown" if markdown else "screen"
    print_tables(done, table_format=table_format, measures=read_names(measures))
    if images is not None and len({one.kernel_index for one in done.pairs}) > 1:
        by = "sigma" if found[0].protocol.name == "gaussian8" else "degradation"
        print_tables(done, table_format=table_format, measures=read_names(measures)[:1], by=by)
    skipped = [line for one in found for line in one.skipped]
    for line in skipped:
        notes.print(f"skipped: {line}")
    if skipped:
        raise typer.Exit(1)


def load_measures(
    names: Sequence[str], weights: Sequence[str], device: "torch.device"
) -> "tuple[Sequence[Measure], str]":
    """Measures, and a checksum of the weights that they were told to look through."""
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.measures import MeasureOptions, find_measures
    from nlcunet.files.checksums import hash_file

    known = [name for name in MeasureOptions.__dataclass_fields__ if name.endswith("_weights")]
    paths: dict[str, Any] = {}
    for entry in weights:
        name, _, file = entry.partition("=")
        if name not in known or not file:
            raise ConfigError(f"weights of measures must be NAME=FILE with one of {', '.join(known)}: got {entry!r}")
        paths[name] = Path(file)
    identity = "".join(f" {name}={hash_file(path)}" for name, path in sorted(paths.items()))
    return find_measures(names, MeasureOptions(device=device, **paths)), identity


def check_output(output: Path | None) -> None:
    """Refuses a file of records that could not be written at the end of a long run."""
    from importlib.util import find_spec

    from nlcunet.errors import ConfigError, install_extra

    if output is None:
        return
    if output.suffix not in {".jsonl", ".parquet"}:
        raise ConfigError(f"records must be a .jsonl or .parquet file: got {output}; choose another name")
    if not output.parent.is_dir():
        raise ConfigError(f"records must go into a folder that is there: found no {output.parent}; create it first")
    if output.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ConfigError(f"Parquet needs pyarrow, which is not installed: {install_extra('report')}, or use .jsonl")


def open_sets(
    folders: Sequence[Path], images: Path | None, *, protocol: str, scale: int, sigmas: str, limit: int | None
) -> "tuple[BenchmarkSet, ...]":
    """The sets on disk, checked, or the one that is made on the fly."""
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.originals import find_originals
    from nlcunet.evaluation.protocols import find_protocol
    from nlcunet.evaluation.sets import open_set, set_on_the_fly

    if bool(folders) == (images is not None):
        raise ConfigError("name either folders of sets, or --images FOLDER of originals")
    if images is not None:
        files = find_originals(images)[:limit]
        name = images.resolve().name
        title = name if limit is None else f"{name}, the first {len(files)}"
        return (set_on_the_fly(files, find_protocol(protocol, scale, read_sigmas(sigmas)), title),)
    found = tuple(open_set(folder) for folder in folders)
    if len(scales := {one.facts.scale for one in found}) > 1:
        raise ConfigError(f"sets of one run must be of one scale: got {sorted(scales)}; run each scale apart")
    return found


def find_systems(
    sets: "Sequence[BenchmarkSet]",
    models: Sequence[str] | None,
    pictures: Sequence[str],
    device: "torch.device",
    *,
    tile: int | None,
    with_bicubic: bool,
) -> "tuple[System, ...]":
    """Bicubic, networks, then pictures of other programs."""
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.systems import check_names, load_systems, pictures_system, split_name
    from nlcunet.models.weights import embedded_models, find_header

    scale = sets[0].facts.scale
    if models is None:
        models = [] if pictures else [name for name in embedded_models() if find_header(name).scale == scale]
    systems = list(load_systems(models, scale, device, tile=tile, with_bicubic=with_bicubic))
    for entry in pictures:
        name, folder = split_name(entry)
        systems.append(pictures_system(name or Path(folder).resolve().name, Path(folder), sets))
    check_names(systems)
    if not systems:
        raise ConfigError("there must be something to measure: name a --model or --pictures, or leave bicubic in")
    return tuple(systems)


def write_output(path: Path, records: "Records") -> None:
    """Records as JSON lines, with file names relative to them, and as Parquet where asked for."""
    from nlcunet.evaluation.records import write_parquet, write_records

    found = relative(records, path.parent)
    write_records(path.with_suffix(".jsonl"), found)
    if path.suffix == ".parquet":
        write_parquet(path, found)


def relative(records: "Records", folder: Path) -> "Records":
    """The same, with file names that start at a folder."""
    import os

    base = folder.resolve()

    def shorten(file: str) -> str:
        return Path(os.path.relpath(Path(file).resolve(), base)).as_posix() if file else ""

    return replace(records, pairs=tuple(one.with_files(shorten) for one in records.pairs))
