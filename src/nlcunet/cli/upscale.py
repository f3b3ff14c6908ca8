"""``nlcunet upscale``: enlarge pictures, folders of pictures, or a pipe."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nlcunet.inference.sizes import Wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlcunet.cli.reporting import Reporter
    from nlcunet.inference.enlarging import Enlarger
    from nlcunet.inference.jobs import Job
    from nlcunet.inference.settings import BatchSettings

FILES = "What to read and write"
SIZE = "Size of the result"
MODEL = "Model and machine"


def upscale(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IN...", help="Pictures, folders, patterns, URLs, or - for standard input."),
    ] = None,
    *,
    more_inputs: Annotated[
        list[str] | None, typer.Option("-i", "--input", metavar="IN", help="The same as an option; may be repeated.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Folder, file, URL, or -; by default beside the input."),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Search folders in folders; keep the tree.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make results again that are there already.")] = False,
    suffix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put behind names; beside the input by default as _x4.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="png, jpeg, webp, tiff, …; by default as the input.")
    ] = None,
    file_quality: Annotated[int | None, typer.Option(min=1, max=100, help="Of jpeg, webp, avif, jxl.")] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option("--strip-metadata", help="Leave EXIF, XMP, IPTC and resolution out; the colour profile stays."),
    ] = False,
    pyramid: Annotated[
        bool, typer.Option("--pyramid", help="Write TIFFs with smaller copies, for viewers that zoom.")
    ] = False,
    tiff_compression: Annotated[
        str, typer.Option(metavar="NAME", help="Of large TIFFs and pyramids: deflate, lzw, or none, the fastest.")
    ] = "deflate",
    scale: Annotated[
        float | None,
        typer.Option("-s", "--scale", metavar="NUMBER", help="Any number above 0; by default the model's."),
    ] = None,
    width: Annotated[int | None, typer.Option(metavar="PX", help="Width of the result, instead of a scale.")] = None,
    height: Annotated[
        int | None, typer.Option(metavar="PX", help="Height; with --width the picture is stretched.")
    ] = None,
    long_edge: Annotated[int | None, typer.Option(metavar="PX", help="The longer side, instead of a scale.")] = None,
    wrap: Annotated[
        Wrap,
        typer.Option(
            help="Edges that continue each other: horizontal for 360° panoramas, both for textures that repeat."
        ),
    ] = "none",
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME",
            help="auto looks at each picture; see `nlcunet models`; a weights, .onnx, .xml or .pt2 file; hf://user/name.",
        ),
    ] = "auto",
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="0...1", help="Mix of PSNR weights (0: faithful) and GAN weights (1: vivid) of the model."
        ),
    ] = None,
    denoise: Annotated[
        float | None,
        typer.Option(metavar="0...1", help="How much noise and grain to remove: 1 all of it, 0 none."),
    ] = None,
    quality: Annotated[
        str, typer.Option(metavar="NAME", help="fast, balanced, or best: the mean over 8 positions, 8 times as long.")
    ] = "balanced",
    tile: Annotated[
        str, typer.Option("-t", "--tile", metavar="PX", help="Longest side of a tile; auto fits the memory.")
    ] = "auto",
    overlap: Annotated[int | None, typer.Option(metavar="PX", help="What tiles see beyond their part.")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="torch, onnx, openvino; auto goes by the model's file.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="auto, float32, bfloat16, float16; int8 with onnx and openvino.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Refuse inputs with more pixels; by default 500 million.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="WHERE", help="Share the work: auto, local, HOST:PORT or ray://HOST:PORT of a cluster."),
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Workers; by default one for each GPU, or for each core.")
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="JSON lines of a batch with --ray or URLs; by default OUT/manifest.jsonl."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell sizes, tiles, memory and time; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON record per picture on standard output.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Tell more: settings, and where errors arose.")
    ] = False,
) -> None:
    """Enlarge pictures.

    Finished results are skipped, so that a batch that was stopped goes on when it is run again. A picture that cannot
    be read or written is told at the end, and the rest goes on. Exit codes: 0 all done, 1 some failed, 2 could not
    start.
    """
    from nlcunet.cli.reporting import Reporter
    from nlcunet.errors import ConfigError
    from nlcunet.hub.pretrained import find_model
    from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, TiffLayout
    from nlcunet.inference.jobs import plan_jobs, suffix_for
    from nlcunet.inference.loading import open_model
    from nlcunet.inference.settings import BatchSettings, EngineSettings
    from nlcunet.inference.sizes import SizeRequest
    from nlcunet.models.weights import AUTOMATIC

    reporter = Reporter(as_json=as_json, is_verbose=verbose)
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
        )
        choice = ModelChoice(name_or_path=model, settings=engine_settings)
        if dry_run:
            raise ConfigError("--dry-run looks at pictures of this machine only: leave out URLs and --ray")
        upscale_on_cluster(naming, choice, settings, ray=ray, workers=ray_workers, as_json=as_json, is_verbose=verbose)
        return
    if ray_workers is not None or manifest is not None:
        raise ConfigError("--ray-workers and --manifest belong to batches with --ray or URLs: add --ray, or drop them")
    upscaler = open_model(
        find_model(model),
        engine_settings,
        on_export=lambda path: typer.echo(f"exporting for {engine}, once; a minute or more passes: {path}", err=True),
    )
    plan = plan_jobs(
        names,
        output,
        recursive=recursive,
        file_format=file_format,
        suffix=suffix,
        size_suffix=suffix_for(request, upscaler.for_size(request).header.scale),
        overwrite=overwrite,
    )
    _check_pipes(plan.jobs, as_json=as_json, dry_run=dry_run)
    reporter.start(upscaler.for_size(request), plan, is_automatic=model == AUTOMATIC)
    ended_well = (_preview if dry_run else _run)(plan.jobs, upscaler, settings, reporter)
    if not ended_well:
        raise typer.Exit(1)


def _check_pipes(jobs: "Sequence[Job]", *, as_json: bool, dry_run: bool) -> None:
    """Refuse what would mix a picture with text, or show its bytes on a screen."""
    import sys

    from nlcunet.errors import ConfigError

    if dry_run or all(job.target is not None for job in jobs):
        return
    if as_json:
        raise ConfigError("standard output takes the picture or the JSON records, not both: name a file with -o")
    if sys.stdout.isatty():
        raise ConfigError("standard output is a terminal and takes no picture: name a file with -o, or pipe it on")


def _run(jobs: "Sequence[Job]", upscaler: "Enlarger", settings: "BatchSettings", reporter: "Reporter") -> bool:
    """Enlarge; whether nothing failed."""
    from nlcunet.inference.batch import run_jobs
    from nlcunet.inference.results import Results

    results = Results(upscaler.choice_facts(settings.request))
    with reporter.following(len(jobs)) as follow:
        listener = follow.listener(reporter.note)
        run = run_jobs(
            jobs,
            upscaler,
            settings,
            on_start=follow.start_job,
            progress=follow.tile_done,
            listener=listener,
            results=results,
        )
        for record in run:
            follow.end_job()
            reporter.tell(record)
    return reporter.finish()


def _preview(jobs: "Sequence[Job]", upscaler: "Enlarger", settings: "BatchSettings", reporter: "Reporter") -> bool:
    """Tell what would be done; whether nothing would fail for sure."""
    from nlcunet.inference.batch import plan_batch
    from nlcunet.inference.results import Results

    results = Results(upscaler.choice_facts(settings.request))
    seconds_per_pixel = upscaler.for_size(settings.request).measure_seconds_per_pixel()
    for record in plan_batch(jobs, upscaler, settings, seconds_per_pixel, results):
        reporter.tell(record)
    return reporter.finish()
