"""``nlcunet bench hairlines``: what becomes of thin lines, model by model and width by width."""

from typing import Annotated

import typer

from nlcunet.cli.options import Device, MeasuredModels, Scale, Sigmas, Threads, read_sigmas


def hairlines(
    *,
    model: MeasuredModels = None,
    scale: Scale = 4,
    sigmas: Sigmas = "",
    seed: Annotated[int, typer.Option(min=0, help="Draw different lines; published tables use 0.")] = 0,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Measure thin lines: how much of their contrast a model keeps, and how many false lines it draws."""
    from nlcunet.cli.terminal import open_bars, open_screen
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
    with thread_limit(threads), open_bars(open_screen()) as bars:
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
