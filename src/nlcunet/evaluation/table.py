"""Results as tables: means over pairs, on screen, as Markdown and as JSON, always with the protocol above."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rich.table import Table

from nlcunet.evaluation.benchmark import BenchmarkRun, PairResult


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Arithmetic means over some pairs; of PSNR the mean of decibels, as in every published table."""

    psnr_y: float
    """dB."""
    ssim_y: float
    """-1 to 1."""
    psnr_rgb: float
    """dB."""
    pairs: int
    """How many."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table."""

    label: str
    """The sigma, or "all"."""
    means: tuple[Mean, ...]
    """One per model."""


def mean_of(results: Iterable[PairResult]) -> Mean:
    """The means over some pairs, at least one."""
    chosen = tuple(results)
    return Mean(
        psnr_y=fmean(result.psnr_y for result in chosen),
        ssim_y=fmean(result.ssim_y for result in chosen),
        psnr_rgb=fmean(result.psnr_rgb for result in chosen),
        pairs=len(chosen),
    )


def make_rows(run: BenchmarkRun) -> tuple[Row, ...]:
    """One row for each fixed kernel where the protocol has several, then one for all pairs."""
    groups: dict[str, tuple[PairResult, ...]] = {}
    if len(run.protocol.sigmas_px) > 1:
        for sigma_px in run.protocol.sigmas_px:
            groups[f"{sigma_px:.2f}"] = tuple(result for result in run.results if result.sigma_px == sigma_px)
    groups["all"] = run.results
    return tuple(
        Row(
            label=label,
            means=tuple(mean_of(result for result in results if result.model == model) for model in run.models),
        )
        for label, results in groups.items()
    )


def make_cells(run: BenchmarkRun) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Heads and rows in words: three numbers per model, and each further model's gain over the first."""
    heads = ["sigma (px)"]
    for number, model in enumerate(run.models):
        heads += [model, "gain (dB)"] if number else [model]
    rows = []
    for row in make_rows(run):
        cells = [row.label]
        for number, mean in enumerate(row.means):
            cells.append(f"{mean.psnr_y:.2f} / {mean.ssim_y:.4f} / {mean.psnr_rgb:.2f}")
            cells += [f"{mean.psnr_y - row.means[0].psnr_y:+.2f}"] if number else []
        rows.append(tuple(cells))
    return tuple(heads), tuple(rows)


def make_caption(run: BenchmarkRun, title: str) -> tuple[str, ...]:
    """What stands above the table: protocol, set and count, skipped files."""
    images = len({result.image for result in run.results})
    pairs = len(run.results) // len(run.models)
    counts = f"Set: {title}, {images} {'picture' if images == 1 else 'pictures'}, {pairs} pairs."
    cells = "Cells: PSNR Y (dB) / SSIM Y / PSNR RGB (dB), means over all pairs"
    cells += f"; gain: PSNR Y above {run.models[0]}." if len(run.models) > 1 else "."
    times = "; ".join(f"{model} {seconds:.1f} s" for model, seconds in run.seconds.items())
    return (
        *run.protocol.description(),
        counts,
        cells,
        f"Time: {times}.",
        *(f"Skipped: {line}" for line in run.skipped),
    )


def make_screen_table(run: BenchmarkRun) -> Table:
    """The table for a terminal, without its caption."""
    heads, rows = make_cells(run)
    table = Table(show_edge=False)
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row, end_section=row[0] != "all" and row is rows[-2], style="bold" if row[0] == "all" else None)
    return table


def make_markdown(run: BenchmarkRun, title: str) -> str:
    """Caption and table in Markdown."""
    heads, rows = make_cells(run)
    lines = [*make_caption(run, title), "", join_cells(heads), join_cells("---:" for _ in heads)]
    return "\n".join([*lines, *(join_cells(row) for row in rows)]) + "\n"


def join_cells(cells: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def make_json(run: BenchmarkRun, title: str) -> str:
    """Everything, for programs. Infinite PSNR (an output equal to its original) becomes null, which JSON has."""
    document = {
        "set": title,
        "protocol": {**asdict(run.protocol), "description": run.protocol.description()},
        "models": run.models,
        "seconds": run.seconds,
        "means": [
            finite({"sigma_px": row.label, "model": model, **asdict(mean)})
            for row in make_rows(run)
            for model, mean in zip(run.models, row.means, strict=True)
        ],
        "skipped": run.skipped,
        "pairs": [finite(asdict(result)) for result in run.results],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """The same, with null in place of infinity."""
    return {name: None if isinstance(value, float) and math.isinf(value) else value for name, value in values.items()}
