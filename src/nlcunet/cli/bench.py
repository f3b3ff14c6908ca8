"""``nlcunet bench``: measure models on folders of originals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from nlcunet.evaluation.benchmark import Enlarge

bench_app = typer.Typer(no_args_is_help=True, help="Measure models on sharp originals.")


@bench_app.callback()
def bench() -> None:
    """Measure models on sharp originals."""


@bench_app.command("run")
def run(
    *,
    images: Annotated[Path, typer.Option("--images", help="Folder of sharp originals.")],
    protocol: Annotated[str, typer.Option(help="gaussian8, bicubic or anisotropic-standin.")] = "gaussian8",
    scale: Annotated[int, typer.Option("-s", "--scale", help="2, 3 or 4.")] = 4,
    model: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", help="Name or file; may be repeated. By default the embedded ones."),
    ] = None,
    sigmas: Annotated[str, typer.Option(help="Of gaussian8 only these, as 1.8,2.6,3.2.")] = "",
    tile: Annotated[int | None, typer.Option("-t", "--tile", min=1, help="Side of tiles; whole by default.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all results to this file as well.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Print PSNR and SSIM of models, with bicubic enlargement beside them, by a published protocol."""
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.evaluation.benchmark import run_benchmark
    from nlcunet.evaluation.originals import find_originals
    from nlcunet.evaluation.protocols import find_protocol
    from nlcunet.evaluation.table import make_caption, make_json, make_markdown, make_screen_table
    from nlcunet.imaging.atomic import write_file_atomically
    from nlcunet.models.weights import embedded_models, find_header
    from nlcunet.runtime import choose_device, thread_limit

    chosen = find_protocol(protocol, scale, read_sigmas(sigmas))
    files = find_originals(images)[:limit]
    title = images.resolve().name if limit is None else f"{images.resolve().name}, the first {len(files)}"
    notes, console = Console(stderr=True, highlight=False), Console(highlight=False)
    chosen_models = model if model is not None else [n for n in embedded_models() if find_header(n).scale == scale]
    enlargers = load_enlargers(chosen_models, scale, choose_device(device), tile)
    with thread_limit(threads), Progress(console=notes, transient=True) as progress:
        bar = progress.add_task(title, total=len(files))
        done = run_benchmark(enlargers, files, chosen, on_file_done=lambda _: progress.advance(bar))
    if markdown:
        typer.echo(make_markdown(done, title), nl=False)
    else:
        for line in make_caption(done, title):
            console.print(line, markup=False)
        console.print(make_screen_table(done))
    if json_file is not None:
        write_file_atomically(json_file, make_json(done, title).encode())
        notes.print(f"results: {json_file}", markup=False)
    if done.skipped:
        raise typer.Exit(1)


def read_sigmas(text: str) -> tuple[float, ...]:
    """Numbers between commas.

    Raises:
        ConfigError: If one is no number.
    """
    from nlcunet.errors import ConfigError

    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"sigmas must be numbers between commas, as 1.8,2.6,3.2: got {text!r}") from error


def load_enlargers(models: list[str], scale: int, device: "torch.device", tile: int | None) -> "dict[str, Enlarge]":
    """Bicubic first, then the models, by name; two of one name are told apart by their files.

    Raises:
        ConfigError: If a model enlarges by another factor.
        WeightsError: If there is no such model.
    """
    from nlcunet.errors import ConfigError
    from nlcunet.evaluation.benchmark import tiled_enlarger, whole_picture_enlarger
    from nlcunet.models.weights import load_model

    enlargers = {"bicubic": whole_picture_enlarger(load_model(f"bicubic-x{scale}"), device)}
    for wanted in models:
        loaded = load_model(wanted, device=device)
        if loaded.header.scale != scale:
            raise ConfigError(
                f"a model must enlarge by the protocol's scale {scale}: {wanted} enlarges by {loaded.header.scale}; "
                f"choose another model, or --scale {loaded.header.scale}"
            )
        name = loaded.header.name if loaded.header.name not in enlargers else wanted
        if tile is None:
            enlargers[name] = whole_picture_enlarger(loaded, device)
        else:
            enlargers[f"{name} (tiles of {tile})"] = tiled_enlarger(loaded, device, tile)
    return enlargers
