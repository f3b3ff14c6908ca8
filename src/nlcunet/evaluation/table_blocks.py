"""Tables in words: captions, heads and rows, ready for any format."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.words import name_parts
from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.records import PairRecord, SetFacts, SystemFacts
from nlcunet.evaluation.table import Group, Summary, compare_all, summarise

ABSENT = "–"


@dataclass(frozen=True, kw_only=True)
class TableBlock:
    """One table."""

    title: str
    heads: tuple[str, ...]
    """Heads of the columns; the first column holds names."""
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def caption(group: Group) -> tuple[str, ...]:
    """What stands above the tables of a group: the protocol, and which sets."""
    sets = "; ".join(f"{one.name}, {plural(one.images, 'image')}, {plural(one.pairs, 'pair')}" for one in group.sets)
    return (*group.description, f"Sets: {sets}.")


def how_sure(group: Group) -> tuple[str, ...]:
    """What the brackets behind means and differences are."""
    means = "Cells: mean over pairs [95 % interval: BCa bootstrap, images resampled]"
    if len(group.systems) < 2:
        return (f"{means}.",)
    test = (
        "difference (p: paired sign-flip permutation test over images, two-sided, corrected by Holm within its table; "
        "with n images at least 2/2ⁿ before correction)"
    )
    return (f"{means}; {test}.",)


def mean_blocks(group: Group, measures: Sequence[str], baseline: str) -> tuple[TableBlock, ...]:
    """For each measure the means, and the differences to the baseline."""
    blocks = []
    heads = ("system", *(one.name for one in group.sets))
    for measure in measures:
        rows = [
            (system.name, *(mean_cell(group, one, system, measure) for one in group.sets)) for system in group.systems
        ]
        blocks.append(TableBlock(title=title_of(measure), heads=heads, rows=tuple(rows)))
        found = compare_all(group, measure, baseline)
        if not found:
            continue
        rows = []
        for system in group.systems:
            cells = [found.get((one.key, system.name)) for one in group.sets]
            if any(cells):
                texts = (
                    f"{decimal(cell.mean, measure, signed=True)} (p {probability(cell.p_holm)})" if cell else ABSENT
                    for cell in cells
                )
                rows.append((system.name, *texts))
        title = f"{title_of(measure)}: difference to {baseline}"
        blocks.append(TableBlock(title=title, heads=heads, rows=tuple(rows)))
    return tuple(blocks)


def mean_cell(group: Group, one: SetFacts, system: SystemFacts, measure: str) -> str:
    """Mean and interval of a system on a set; how many pairs where not all were measured."""
    found = summarise(group.find(one.key, system.name), measure)
    if found is None:
        return ABSENT
    part = "" if found.pairs == one.pairs else f" ({found.pairs} of {one.pairs} pairs)"
    return summary_text(found, measure) + part


def summary_text(found: Summary, measure: str) -> str:
    """``30.17 [28.75, 31.59]``."""
    text = decimal(found.mean, measure)
    if found.interval is not None:
        text += f" [{decimal(found.interval.low, measure)}, {decimal(found.interval.high, measure)}]"
    return text


def cost_block(systems: Sequence[SystemFacts]) -> TableBlock | None:
    """Parameters, operations, time and memory of networks; none where nothing is known."""
    known = [one for one in systems if one.parameters is not None]
    if not known:
        return None
    rows = []
    for one in known:
        size = f"{one.cost_size_px}×{one.cost_size_px}" if one.cost_size_px else ABSENT
        rows.append(
            (
                one.name,
                f"{(one.parameters or 0) / 1e6:.2f}",
                size,
                f"{one.gflop:.1f}" if one.gflop is not None else ABSENT,
                f"{one.seconds:.3f}" if one.seconds is not None else ABSENT,
                f"{one.peak_mib:.0f}" if one.peak_mib is not None else ABSENT,
            )
        )
    machines = dict.fromkeys(one.machine for one in known if one.machine)
    notes = ("Time: median of 5 runs after one to warm up, one input seen whole, float32.",) if machines else ()
    heads = ("system", "parameters (M)", "LR (px)", "GFLOP", "time (s)", "peak (MiB)")
    return TableBlock(
        title="Cost", heads=heads, rows=tuple(rows), notes=(*notes, *(f"Machine: {one}." for one in machines))
    )


def published_block(group: Group, measures: Sequence[str]) -> TableBlock | None:
    """What others have published for these sets, kept apart from what was measured here."""
    first, names = group.sets[0], [one.name for one in group.sets]
    found = [
        one
        for one in read_published()
        if (one.protocol, one.scale) == (first.protocol, first.scale) and one.set in names
    ]
    shown = [name for name in measures if any(name in one.measures for one in found)]
    if not found or not shown:
        return None
    rows = []
    for method, source in dict.fromkeys((one.method, one.source) for one in found):
        cells = []
        for name in names:
            match = next((one for one in found if (one.method, one.source, one.set) == (method, source, name)), None)
            cells.append(" / ".join(decimal(match.measures[m], m) for m in shown) if match else ABSENT)
        count = next((one.parameters for one in found if one.method == method and one.parameters), None)
        rows.append((f"{method} (published)", f"{count / 1e6:.2f}" if count else ABSENT, *cells, source))
    return TableBlock(
        title=f"Published by others, not measured here: {' / '.join(title_of(name) for name in shown)}",
        heads=("method", "parameters (M)", *names, "source"),
        rows=tuple(rows),
    )


def image_blocks(group: Group, measures: Sequence[str]) -> tuple[TableBlock, ...]:
    """For each set and measure one row per image."""
    return _grouped_blocks(group, measures, "image", lambda one: one.image)


def sigma_blocks(group: Group, measures: Sequence[str]) -> tuple[TableBlock, ...]:
    """For each set and measure one row per strength of a Gaussian blur."""

    def name(one: PairRecord) -> str:
        sigma_px = record_of(one).sigma_px if one.degradation else 0.0
        return f"{sigma_px:.2f}" if sigma_px > 0 else "none"

    return _grouped_blocks(group, measures, "sigma (px)", name)


def degradation_blocks(group: Group, measures: Sequence[str]) -> tuple[TableBlock, ...]:
    """What was done to the pictures: a surface of degradation × degradation for each system, or rows of single ones."""
    if not any(len(parts_of(one)) > 1 for one in group.pairs):
        return _grouped_blocks(group, measures, "degradation", lambda one: " + ".join(parts_of(one)) or "none")
    blocks = []
    for one in group.sets:
        for measure in measures:
            for system in group.systems:
                pairs = group.find(one.key, system.name)
                if pairs:
                    blocks.append(surface(pairs, f"{one.name}, {system.name}: {title_of(measure)}", measure))
    return tuple(blocks)


def surface(pairs: Sequence[PairRecord], title: str, measure: str) -> TableBlock:
    """One degradation to the right, one downwards, means in the cells; "alone" and "none" where there is only one."""
    found = [(parts_of(one), one) for one in pairs]
    downwards = list(dict.fromkeys(parts[1] for parts, _ in found if len(parts) > 1))
    paired = {parts[0] for parts, _ in found if len(parts) > 1}
    firsts = dict.fromkeys(parts[0] for parts, _ in found if parts)
    across = [name for name in firsts if name in paired or name not in downwards]
    cells: dict[tuple[str, str], list[PairRecord]] = {}
    for parts, one in found:
        if len(parts) > 1:
            place = (" + ".join(parts[1:]), parts[0])
        elif parts:
            place = (parts[0], "alone") if parts[0] in downwards else ("none", parts[0])
        else:
            place = ("none", "alone")
        cells.setdefault(place, []).append(one)
    rows = []
    for row in dict.fromkeys(["none", *downwards, *(place[0] for place in cells)]):
        summaries = [summarise(cells.get((row, column), ()), measure) for column in ("alone", *across)]
        rows.append((row, *(decimal(cell.mean, measure) if cell else ABSENT for cell in summaries)))
    return TableBlock(title=title, heads=("", "alone", *across), rows=tuple(rows))


def _grouped_blocks(
    group: Group, measures: Sequence[str], head: str, name_of: Callable[[PairRecord], str]
) -> tuple[TableBlock, ...]:
    """For each set and measure one row per name, and one for all."""
    blocks = []
    for one in group.sets:
        systems = [system for system in group.systems if group.find(one.key, system.name)]
        for measure in measures:
            by_system = {system.name: group.find(one.key, system.name) for system in systems}
            names = dict.fromkeys(name_of(pair) for pairs in by_system.values() for pair in pairs)
            rows = []
            for name in (*names, "all"):
                found = [
                    summarise((pair for pair in pairs if name in {"all", name_of(pair)}), measure)
                    for pairs in by_system.values()
                ]
                rows.append((name, *(decimal(cell.mean, measure) if cell else ABSENT for cell in found)))
            title = f"{one.name}: {title_of(measure)}"
            blocks.append(TableBlock(title=title, heads=(head, *by_system), rows=tuple(rows)))
    return tuple(blocks)


def parts_of(one: PairRecord) -> tuple[str, ...]:
    """What was done to a pair, in parts."""
    return name_parts(record_of(one)) if one.degradation else ("as published",)


def record_of(one: PairRecord) -> DegradationRecord:
    """What was done to a pair."""
    return DegradationRecord.from_dict(one.degradation)


TITLES = {"psnr_y": "PSNR Y", "ssim_y": "SSIM Y", "psnr_rgb": "PSNR RGB"}


def title_of(measure: str) -> str:
    """A measure with its unit, and which way is better where it is not known from school."""
    entry = MEASURES.get(measure)
    unit = f" ({entry.unit})" if entry is not None and entry.unit else ""
    better = ", lower is better" if entry is not None and entry.better == "lower" else ""
    return f"{TITLES.get(measure, measure)}{unit}{better}"


def decimal(value: float, measure: str, *, signed: bool = False) -> str:
    """A result in words: two decimals for decibels, four for the rest; a real minus sign."""
    entry = MEASURES.get(measure)
    decimals = 2 if entry is not None and entry.unit == "dB" else 4
    return f"{value:{'+' if signed else ''}.{decimals}f}".replace("-", "−").replace("inf", "∞").replace("nan", ABSENT)


def probability(value: float | None) -> str:
    """A p-value in words."""
    if value is None:
        return ABSENT
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plural(number: int, word: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One method on one set, as others have published it: it stands beside measured numbers, never among them."""

    method: str
    protocol: str
    """``gaussian8``, as its authors understand it."""
    scale: int
    set: str
    measures: dict[str, float]
    """By name of the measure."""
    parameters: int | None
    source: str


def read_published() -> tuple[PublishedResult, ...]:
    """All of them, from the table inside the package."""
    text = (resources.files("nlcunet.evaluation") / "published.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedResult(
            method=row["method"],
            protocol=row["protocol"],
            scale=int(row["scale"]),
            set=row["set"],
            measures={name: float(row[name]) for name in ("psnr_y", "ssim_y") if row[name]},
            parameters=int(row["parameters"]) if row["parameters"] else None,
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )
