"""``nlcunet upscale``: enlarge pictures, folders of pictures, or a pipe."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nlcunet.cli import completion
from nlcunet.cli.app import quick_imports
from nlcunet.errors import ConfigError
from nlcunet.inference.sizes import Wrap, parse_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlcunet.cli.reporting import Reporter
    from nlcunet.inference.enlarging import Enlarger
    from nlcunet.inference.jobs import FileJob
    from nlcunet.inference.settings import BatchSettings

SIZE = "How large"
LOOK = "Look"
FILES = "Which files"
MACHINE = "On which machine, and how fast"
TELLING = "Output on the terminal"


def _scale(text: str) -> float:
    try:
        return parse_scale(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def upscale(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IN...", help="Pictures, folders, patterns, URLs, or - for standard input."),
    ] = None,
    *,
    scale: Annotated[
        float | None,
        typer.Option(
            "-s",
            "--scale",
            metavar="NUMBER",
            parser=_scale,
            help="Scale, such as 2.5, x4 or 4x; by default the model's.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="PX", help="Width of the result, instead of a scale.", rich_help_panel=SIZE)
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(metavar="PX", help="Height; with --width the picture is stretched.", rich_help_panel=SIZE),
    ] = None,
    long_edge: Annotated[
        int | None, typer.Option(metavar="PX", help="The longer side, instead of a scale.", rich_help_panel=SIZE)
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME",
            help="auto looks at each picture; see `nlcunet models`; a .safetensors, .pth, .onnx, .xml or .pt2 file; "
            "hf://user/name.",
            rich_help_panel=LOOK,
            autocompletion=completion.MODELS,
        ),
    ] = "auto",
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="0...1",
            help="Mix of PSNR weights (0: faithful) and GAN weights (1: vivid) of the model.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    denoise: Annotated[
        float | None,
        typer.Option(
            metavar="0...1", help="How much noise and grain to remove: 1 all of it, 0 none.", rich_help_panel=LOOK
        ),
    ] = None,
    quality: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="fast, balanced, or best: the mean over 8 positions, 8 times as long.",
            rich_help_panel=LOOK,
            autocompletion=completion.QUALITIES,
        ),
    ] = "balanced",
    wrap: Annotated[
        Wrap,
        typer.Option(
            help="Join opposite edges: horizontal for 360° panoramas, both for textures that repeat.",
            rich_help_panel=LOOK,
        ),
    ] = "none",
    more_inputs: Annotated[
        list[str] | None,
        typer.Option(
            "-i", "--input", metavar="IN", help="An input, as an option; may be repeated.", rich_help_panel=FILES
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Folder, file, URL, or -; by default beside the input.",
            rich_help_panel=FILES,
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option("-r", "--recursive", help="Include subfolders and keep their structure.", rich_help_panel=FILES),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.", rich_help_panel=FILES)
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Append this to names; beside the input by default _x4.", rich_help_panel=FILES
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Names of results, as '{stem}_{scale}x'; also {size}.", rich_help_panel=FILES
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="png, jpeg, webp, tiff, …; by default as the input.", rich_help_panel=FILES
        ),
    ] = None,
    file_quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Quality of jpeg, webp, avif and jxl files.", rich_help_panel=FILES),
    ] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Leave EXIF, XMP, IPTC and resolution out; the colour profile stays.",
            rich_help_panel=FILES,
        ),
    ] = False,
    pyramid: Annotated[
        bool,
        typer.Option(
            "--pyramid", help="Write TIFFs with smaller copies, for viewers that zoom.", rich_help_panel=FILES
        ),
    ] = False,
    tiff_compression: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Compress large TIFFs and pyramids: deflate, lzw, or none, the fastest.",
            rich_help_panel=FILES,
        ),
    ] = "deflate",
    tile: Annotated[
        str,
        typer.Option(
            "-t", "--tile", metavar="PX", help="Longest side of a tile; auto fits the memory.", rich_help_panel=MACHINE
        ),
    ] = "auto",
    overlap: Annotated[
        int | None, typer.Option(metavar="PX", help="Overlap of neighbouring tiles.", rich_help_panel=MACHINE)
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, cpu, gpu, cuda, cuda:1, mps.",
            rich_help_panel=MACHINE,
            autocompletion=completion.DEVICES,
        ),
    ] = "auto",
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="torch, onnx, openvino; auto goes by the model's file.",
            rich_help_panel=MACHINE,
            autocompletion=completion.ENGINES,
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, float32, bfloat16, float16; int8 with onnx and openvino.",
            rich_help_panel=MACHINE,
            autocompletion=completion.PRECISIONS,
        ),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", rich_help_panel=MACHINE)] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Refuse inputs with more pixels; by default 500 million.", rich_help_panel=MACHINE
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Share the work: auto, local, HOST:PORT or ray://HOST:PORT of a cluster.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    ray_workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Workers; by default one for each GPU, or for each core.", rich_help_panel=MACHINE
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Write a JSON line per picture here, with --ray or URLs; by default OUT/manifest.jsonl.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show sizes, tiles, memory and time; write nothing.", rich_help_panel=TELLING),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record per picture.", rich_help_panel=TELLING)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print only what failed.", rich_help_panel=TELLING)
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", help="Print more: settings, and where errors occurred.", rich_help_panel=TELLING
        ),
    ] = False,
) -> None:
    """Enlarge pictures.

    Finished results are skipped: run a stopped batch again, and it continues. Pictures that failed are listed at the
    end; the others are done all the same. Exit codes: 0 all done, 1 some failed, 2 could not start.
    """
    with quick_imports():
        from nlcunet.cli.reporting import Reporter
        from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, TiffLayout
        from nlcunet.inference.jobs import fill_pattern, plan_jobs, suffix_for
        from nlcunet.inference.loading import open_model
        from nlcunet.inference.settings import BatchSettings, EngineSettings
        from nlcunet.inference.sizes import SizeRequest
        from nlcunet.models.weights import AUTOMATIC

    if quiet and verbose:
        raise ConfigError("--quiet and --verbose exclude each other: got both; drop one")
    if name is not None and suffix is not None:
        raise ConfigError("--name and --suffix both name results: got both; drop one")
    reporter = Reporter(as_json=as_json, is_verbose=verbose, is_quiet=quiet)
    request = SizeRequest(scale=scale, width=width, height=height, long_edge=long_edge, wrap=wrap)
    if tile != "auto" and not tile.isdecimal():
        raise ConfigError(f"tile must be auto or a number of pixels: got {tile!r}")
    tile_px: int | Literal["auto"] = "auto" if tile == "auto" else int(tile)
    if quality.isdecimal():
        raise ConfigError(
            f"quality must be fast, balanced or best: got {quality!r}; that of jpeg, webp, avif and jxl files is "
            "--file-quality"
        )
    engine_settings = EngineSettings(
        device=device,
        precision=precision,
        tile=tile_px,
        overlap=overlap,
        threads=threads,
        strength=strength,
        denoise=denoise,
        quality=quality,
        engine=engine,
    )
    settings = BatchSettings(
        request=request,
        overwrite=overwrite,
        quality=file_quality,
        strip_metadata=strip_metadata,
        max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
        layout=TiffLayout(compression=tiff_compression, pyramid=pyramid),
    )
    names = [*(inputs or ()), *(more_inputs or ())]
    if ray is not None or any("://" in name for name in (*names, output or "")):
        from nlcunet.cli.upscale_cluster import Naming, upscale_on_cluster
        from nlcunet.cluster.choice import ModelChoice

        naming = Naming(
            inputs=names,
            output=output,
            recursive=recursive,
            suffix=suffix,
            file_format=file_format,
            manifest=manifest,
            pattern=name,
        )
        choice = ModelChoice(name_or_path=model, settings=engine_settings)
        if dry_run:
            raise ConfigError("--dry-run looks at pictures of this machine only: leave out URLs and --ray")
        upscale_on_cluster(naming, choice, settings, ray=ray, workers=ray_workers, as_json=as_json, reporter=reporter)
        return
    if ray_workers is not None or manifest is not None:
        raise ConfigError("--ray-workers and --manifest belong to batches with --ray or URLs: add --ray, or drop them")
    upscaler = open_model(
        model,
        engine_settings,
        on_export=lambda path: typer.echo(f"exporting for {engine}, once; a minute or more passes: {path}", err=True),
    )
    network_scale = upscaler.for_size(request).header.scale
    plan = plan_jobs(
        names,
        output,
        recursive=recursive,
        file_format=file_format,
        suffix=suffix,
        size_suffix=suffix_for(request, network_scale),
        pattern=None if name is None else fill_pattern(name, request, network_scale),
        overwrite=overwrite,
    )
    _check_pipes(plan.jobs, as_json=as_json, dry_run=dry_run)
    reporter.start(upscaler.for_size(request), plan, is_automatic=model == AUTOMATIC)
    ended_well = (_preview if dry_run else _run)(plan.jobs, upscaler, settings, reporter)
    if not ended_well:
        raise typer.Exit(1)


def _check_pipes(jobs: "Sequence[FileJob]", *, as_json: bool, dry_run: bool) -> None:
    """Refuse what would mix a picture with text, or show its bytes on a screen."""
    import sys

    if dry_run or all(job.target is not None for job in jobs):
        return
    if as_json:
        raise ConfigError("standard output takes the picture or the JSON records, not both: name a file with -o")
    if sys.stdout.isatty():
        raise ConfigError("standard output is a terminal and takes no picture: name a file with -o, or pipe it on")


def _run(jobs: "Sequence[FileJob]", upscaler: "Enlarger", settings: "BatchSettings", reporter: "Reporter") -> bool:
    """Enlarge; whether nothing failed."""
    from nlcunet.inference.batch import run_jobs
    from nlcunet.inference.results import ResultFiles

    results = ResultFiles(upscaler.choice_facts(settings.request))
    with reporter.following(len(jobs)) as follow:
        listener = follow.listener(reporter.note)
        run = run_jobs(
            jobs,
            upscaler,
            settings,
            progress=follow.tile_done,
            listener=listener,
            results=results,
        )
        try:
            for record in run:
                follow.end_job()
                reporter.tell(record)
        except KeyboardInterrupt:
            reporter.stop(len(jobs))
            raise
    return reporter.finish()


def _preview(jobs: "Sequence[FileJob]", upscaler: "Enlarger", settings: "BatchSettings", reporter: "Reporter") -> bool:
    """Tell what would be done; whether nothing would fail for sure."""
    from nlcunet.inference.batch import plan_batch
    from nlcunet.inference.results import ResultFiles

    results = ResultFiles(upscaler.choice_facts(settings.request))
    seconds_per_pixel = upscaler.for_size(settings.request).measure_seconds_per_pixel()
    for record in plan_batch(jobs, upscaler, settings, seconds_per_pixel, results):
        reporter.tell(record)
    return reporter.finish()
