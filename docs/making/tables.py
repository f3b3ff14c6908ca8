"""Writes the tables of the pages from the records in ``docs/records``.

Run: ``make numbers``. A table stands between ``<!-- numbers: NAME -->`` and ``<!-- /numbers -->``; what is between is
written anew. A test fails where a page differs from its records, or the records are of other weights than those in the
package: then measure again, by ``python docs/making/records.py``.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean

from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.records import PairRecord, Records, SystemFacts, join_records, parse_line
from nlcunet.evaluation.table import make_groups
from nlcunet.evaluation.table_blocks import caption, how_sure, mean_blocks
from nlcunet.evaluation.table_conditions import by_condition, gain
from nlcunet.evaluation.table_formats import markdown
from nlcunet.files.atomic import write_file_atomically

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "records"
BLOCK = re.compile(r"(<!-- numbers: ([\w-]+) -->\n).*?(\n<!-- /numbers -->)", re.DOTALL)
GOALS = {"jpeg80": 1.0, "jpeg50": 0.7, "noise15": 1.1, "second-order": 1.0, "phone": 0.45, "area85": 0.85}
"""Of the gain over bicubic on BSD100, in dB."""


@cache
def read(name: str) -> Records:
    """A file of records."""
    path = RECORDS / f"{name}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return join_records(parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))


def hairlines() -> dict[str, list[dict[str, float]]]:
    """Means of thin lines by model."""
    means: dict[str, list[dict[str, float]]] = json.loads((RECORDS / "hairlines-x4.json").read_text())["means"]
    return means


def measured(*names: str) -> str:
    """When, and by which command."""
    dates = json.loads((RECORDS / "dates.json").read_text(encoding="utf-8"))
    only = " ".join(f"--only {name}" for name in names)
    return f"`python docs/making/records.py SETS {only}` ({max(dates[name] for name in names)})"


def mean(records: Records, system: str, of_set: str, measure: str) -> float:
    """The mean over all pairs of a set."""
    return fmean(p.measures[measure] for p in records.pairs if p.system == system and p.set.split(" ")[0] == of_set)


def ours(records: Records) -> SystemFacts:
    """The network that was measured beside bicubic."""
    return next(one for one in records.systems if one.sha256)


def rows_of(name: str) -> Iterator[tuple[str, float, float, float, float]]:
    """Set, PSNR and SSIM of bicubic, PSNR and SSIM of ours."""
    records = read(name)
    model = ours(records).name
    for facts in records.sets:
        bicubic, own = ([mean(records, s, facts.name, m) for m in ("psnr_y", "ssim_y")] for s in ("bicubic", model))
        yield facts.name, bicubic[0], bicubic[1], own[0], own[1]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, first column left, others right."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def quality(name: str) -> str:
    """Gaussian8 at one scale."""
    rows = [
        [title, f"{b:.2f} / {bs:.4f}", f"{o:.2f} / {os:.4f}", f"+{o - b:.2f} dB"]
        for title, b, bs, o, os in rows_of(name)
    ]
    head = [f"Gaussian8 ×{name[-1]}, PSNR / SSIM on Y", "bicubic", ours(read(name)).name, "gain"]
    return f"{table(head, rows)}\n\nMeasured by {measured(name)}."


def anisotropic() -> str:
    """The stand-in for DIV2KRK: weights for round blur, and weights for elliptic blur."""
    records = read("anisotropic-x4")
    names = [one.name for one in records.systems]
    rows = []
    for facts in records.sets:
        of_set = {s: [mean(records, s, facts.name, m) for m in ("psnr_y", "ssim_y")] for s in names}
        cells = [f"{p:.2f} / {ssim:.4f}" for p, ssim in of_set.values()]
        rows.append([facts.name, *cells, f"+{of_set[names[-1]][0] - of_set[names[0]][0]:.2f} dB"])
    head = ["anisotropic stand-in ×4, PSNR / SSIM on Y", *names, f"{names[-1]} over {names[0]}"]
    return f"{table(head, rows)}\n\nMeasured by {measured('anisotropic-x4')}."


def photo() -> str:
    """The conditions of the protocol photo."""
    records = read("photo-x4")
    model = ours(records).name
    rows = []
    for condition, pairs in by_condition(records.pairs).items():
        bicubic, own = ([p for p in pairs if p.system == system] for system in ("bicubic", model))
        found = gain(own, bicubic, "psnr_y")
        goal = f"≥ +{GOALS[condition]:g}" if condition in GOALS else ""
        between = (
            "" if found is None or found.interval is None else f" {interval(found.interval.low, found.interval.high)}"
        )
        means = [fmean(p.measures["psnr_y"] for p in group) for group in (bicubic, own)]
        rows.append([condition, f"{means[0]:.2f}", f"{means[1]:.2f}", f"+{means[1] - means[0]:.2f}{between}", goal])
    heads = ["protocol `photo` ×4, BSD100, PSNR on Y", "bicubic", model, "gain in dB [95 % interval]", "goal"]
    return f"{table(heads, rows)}\n\nMeasured by {measured('photo-x4')}, 100 pictures, one pair each."


def interval(low: float, high: float) -> str:
    """An interval in brackets."""
    return f"[{low:+.2f}, {high:+.2f}]".replace("-", "−")


def readme() -> str:
    """Quality in six rows."""
    rows = [
        [f"{title}, blurred", f"{b:.2f}", f"{o:.2f}", f"+{o - b:.2f}"]
        for title, b, _, o, _ in rows_of("gaussian8-x4")
        if title != "Set5"
    ]
    records = read("photo-x4")
    words = {
        "jpeg80": "JPEG quality 80",
        "jpeg50": "JPEG quality 50",
        "noise15": "noise of 15 steps",
        "phone": "like a phone's camera",
    }
    for condition, told in words.items():
        of_pairs = by_condition(records.pairs)[condition]
        b, o = (condition_mean(of_pairs, system) for system in ("bicubic", ours(records).name))
        rows.append([f"BSD100, {told}", f"{b:.2f}", f"{o:.2f}", f"+{o - b:.2f}"])
    return table(["test pictures", "bicubic", "nlcunet", "gain"], rows)


def condition_mean(pairs: Sequence[PairRecord], system: str) -> float:
    """Mean PSNR of a system over some pairs."""
    return fmean(pair.measures["psnr_y"] for pair in pairs if pair.system == system)


def bench_table() -> str:
    """What ``nlcunet bench table --format markdown`` prints."""
    (group,) = make_groups(read("gaussian8-x4"))
    return markdown((*caption(group), *how_sure(group)), mean_blocks(group, ("psnr_y", "ssim_y"), "bicubic")).strip()


def measures() -> str:
    """All measures that need no download, on Set5."""
    records = read("measures-x4")
    model = ours(records).name
    rows = []
    for name in dict.fromkeys(measure for pair in records.pairs for measure in pair.measures):
        entry = MEASURES[name]
        unit, arrow = f" ({entry.unit})" if entry.unit else "", "↑" if entry.better == "higher" else "↓"
        digits = 2 if entry.unit or name == "niqe" else 4
        cells = [f"{mean(records, system, 'Set5', name):.{digits}f}" for system in ("bicubic", model)]
        rows.append([f"`{name}`{unit} {arrow}", *cells])
    return (
        f"{table(['measure', 'bicubic', model], rows)}\n\nMeasured by {measured('measures-x4')}: means over 40 pairs."
    )


def hairline_table() -> str:
    """Contrast kept and false lines by width."""
    means = hairlines()
    rows = []
    for number, first in enumerate(next(iter(means.values()))):
        cells = [
            f"{of[number]['contrast_kept']:.2f} ± {of[number]['contrast_error']:.2f}; "
            f"{of[number]['false_lines_flat']:.2f}, {of[number]['false_lines_textured']:.2f}"
            for of in means.values()
        ]
        rows.append([f"{first['width_low_res_px']:.1f}", *cells])
    return f"{table(['width (LR px)', *means], rows)}\n\nMeasured by {measured('hairlines-x4')}."


def hairline_sentence() -> str:
    """The same in a sentence."""
    means = hairlines()
    bicubic, own = means["bicubic"], means["4x-NLCUnet-S"]
    one = next(of for of in own if of["width_low_res_px"] == 1.0)
    return (
        f"4x-NLCUnet-S keeps {own[0]['contrast_kept']:.2f} of the contrast of lines of "
        f"{own[0]['width_low_res_px']:g} low-resolution pixels, bicubic enlargement {bicubic[0]['contrast_kept']:.2f}. "
        f"Lines of one pixel and more it draws too strong ({one['contrast_kept']:.2f} instead of 1)."
    )


MAKERS: Mapping[str, Callable[[], str]] = {
    "quality-x4": lambda: quality("gaussian8-x4"),
    "anisotropic": anisotropic,
    "photo": photo,
    "readme": readme,
    "bench-table": bench_table,
    "measures": measures,
    "hairlines": hairline_table,
    "hairline-sentence": hairline_sentence,
}


def pages() -> list[Path]:
    """Where tables may stand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def rewritten(text: str) -> str:
    """A page with its tables made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{MAKERS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Write all pages whose tables have changed."""
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := rewritten(before)) != before:
            write_file_atomically(page, after.encode())
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
