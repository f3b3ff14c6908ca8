"""``nlcunet bench hairlines``: what becomes of thin lines, model by model and width by width."""

from typing import Annotated

import typer


def hairlines(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", help="Measure this model: name, file or NAME=FILE; by default all embedded ones."
        ),
    ] = None,
    scale: Annotated[int, typer.Option("-s", "--scale", help="2, 3 or 4.")] = 4,
    sigmas: Annotated[str, typer.Option(help="Use only these blurs of gaussian8, for example 1.8,2.6,3.2.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Draw different lines; published tables use 0.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, gpu, cuda, cuda:1, mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Measure thin lines: how much of their contrast a model keeps, and how many false lines it draws."""
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.cli.bench_options import read_sigmas
    from nlcunet.evaluation.enlargers import whole_picture_enlarger
    from nlcunet.evaluation.hairlines import make_hairline_table, means_of_models, run_hairlines
    from nlcunet.evaluation.protocols import find_protocol
    from nlcunet.evaluation.systems import load_systems
    from nlcunet.metrics.hairline_cases import HAIRLINE_VERSION, hairlines_sha256, make_hairline_cases
    from nlcunet.models.weights import embedded_models, find_header
    from nlcunet.runtime import choose_device, thread_limit

    protocol = find_protocol("gaussian8", scale, read_sigmas(sigmas))
    records = [record for _, record in protocol.records("hairlines")]
    names = model if model is not None else [name for name in embedded_models() if find_header(name).scale == scale]
    chosen_device = choose_device(device)
    enlargers = {
        system.facts.name: whole_picture_enlarger(system.model, chosen_device)
        for system in load_systems(names, scale, chosen_device)
        if system.model is not None
    }
    cases = make_hairline_cases(scale, seed)
    notes = Console(stderr=True, highlight=False, markup=False)
    with thread_limit(threads), Progress(console=notes, transient=True, disable=not notes.is_terminal) as bars:
        bar = bars.add_task("hairlines", total=len(enlargers) * len(cases) * len(records))
        done = run_hairlines(enlargers, cases, records, on_pictures_done=lambda _, count: bars.advance(bar, count))
    blurs = ", ".join(f"{record.sigma_px:.2f}" for record in records)
    for line in (
        f"Hairlines ×{scale}, version {HAIRLINE_VERSION}, seed {seed}: {len(cases)} pictures.",
        f"SHA-256 of their pixels: {hairlines_sha256(cases)}.",
        f"Input: 21×21 isotropic Gaussian blur of sigma {blurs} px; MATLAB bicubic downsampling; 8 bits.",
        "Contrast kept ± its mean distance from 1; false lines per 100 LR pixels on flat, on textured ground.",
        "",
        *make_hairline_table(means_of_models(done)),
    ):
        typer.echo(line)
