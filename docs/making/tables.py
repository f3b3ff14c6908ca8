"""Writes the tables of the pages from the records in ``docs/records``.

Run: ``make numbers``. A table stands between ``<!-- numbers: NAME -->`` and ``<!-- /numbers -->``; what is between is
written anew. A test fails where a page differs from its records, or the records are of other weights than those in the
package: then measure again, by ``python docs/making/records.py``.

The ``results.json`` of an experiment, copied to ``docs/records/experiments/NAME.json``, gets a page of its own,
``docs/experiments/NAME.md``, a row for each comparison in the table ``experiments``, and the same rows in the table
``experiment-EXPERIMENT`` of whichever page has one.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import fmean

from nlcunet.evaluation.hairline_page import JUDGED, verdict_table
from nlcunet.evaluation.hairlines import HairlineFindings, make_hairline_table
from nlcunet.evaluation.measures import MEASURES
from nlcunet.evaluation.records import PairRecord, Records, SystemFacts, join_records, parse_line
from nlcunet.evaluation.table import make_groups
from nlcunet.evaluation.table_blocks import caption, how_sure, mean_blocks
from nlcunet.evaluation.table_conditions import by_condition, gain
from nlcunet.evaluation.table_formats import markdown
from nlcunet.evaluation.verdicts import signed
from nlcunet.experiments.variants.page import make_files
from nlcunet.experiments.variants.report import gain_in_words, unit_of, verdict
from nlcunet.experiments.variants.results import Results, read_results
from nlcunet.files.atomic import write_file_atomically

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "records"
BLOCK = re.compile(r"(<!-- numbers: ([\w-]+) -->\n)(?:.*?\n)??(<!-- /numbers -->)", re.DOTALL)
GOALS = {"jpeg80": 1.0, "jpeg50": 0.7, "noise15": 1.1, "second-order": 1.0, "phone": 0.45, "area85": 0.85}
"""Of the gain over bicubic on BSD100, in dB."""


@cache
def read(name: str) -> Records:
    """A file of records."""
    path = RECORDS / f"{name}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return join_records(parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))


@cache
def hairlines(name: str) -> HairlineFindings:
    """Scores of thin lines."""
    return HairlineFindings.model_validate_json((RECORDS / f"{name}.json").read_text(encoding="utf-8"))


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


def second_stage() -> str:
    """What adversarial training costs in PSNR, and what it gains in a perceptual distance, by condition."""
    records = read("photo-gan-x4")
    names, kinds = [one.name for one in records.systems], {"psnr_y": 2, "effnet_lite0": 4}
    rows = [
        [
            condition,
            *(
                f"{fmean(p.measures[measure] for p in pairs if p.system == name):.{digits}f}"
                for measure, digits in kinds.items()
                for name in names
            ),
        ]
        for condition, pairs in by_condition(records.pairs).items()
    ]
    heads = [
        "protocol `photo` ×4, Set14",
        *(f"PSNR: {name}" for name in names),
        *(f"distance: {name}" for name in names),
    ]
    return f"{table(heads, rows)}\n\nMeasured by {measured('photo-gan-x4')}; distance: `effnet_lite0`, less is better."


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


def hairline_table(name: str) -> str:
    """Contrast kept and false lines by width."""
    return "\n".join((*make_hairline_table(hairlines(name)), f"\nMeasured by {measured(name)}."))


def hairline_verdicts() -> str:
    """What is shown against bicubic."""
    found = hairlines("hairlines-x4")
    parts = [f"{title}:\n\n{verdict_table(found, measure, 'bicubic')}" for measure, title in JUDGED.items()]
    return "\n\n".join((*parts, f"Measured by {measured('hairlines-x4')}."))


def hairline_sentence() -> str:
    """The same in a sentence."""
    found = hairlines("hairlines-x4")
    kept = {
        width: dict(zip(found.scores, found.values("contrast_kept", width=width).mean(axis=1), strict=True))
        for width in found.widths
    }
    thinnest = found.widths[0]
    return (
        f"4x-NLCUnet-S keeps {kept[thinnest]['4x-NLCUnet-S']:.2f} of the contrast of lines of "
        f"{thinnest:g} low-resolution pixels, bicubic enlargement {kept[thinnest]['bicubic']:.2f}. "
        f"Lines of one pixel and more it draws too strong ({kept[1.0]['4x-NLCUnet-S']:.2f} instead of 1)."
    )


def observer_table() -> str:
    """Which system a model observer prefers on hairlines."""
    found = json.loads((RECORDS / "hairline-study-x4.json").read_text(encoding="utf-8"))
    rows = [
        [
            s["system"],
            f"{signed(s['score'], 2)} {interval(s['lower'], s['upper'])}",
            f"{s['wins']} of {s['comparisons']}",
        ]
        for s in found["scores"]
    ]
    heads = ["model observer, not people", "score [95 % interval over pictures]", "chosen"]
    return f"{table(heads, rows)}\n\n{found['crops']} pictures. Measured by {measured('hairline-study-x4')}."


def paper_quality() -> str:
    """Setting 1 at the scales that have records."""
    names = ("gaussian8-x2", "gaussian8-x3", "gaussian8-x4")
    rows = [
        [f"×{name[-1]}, bicubic → {ours(read(name)).name}", *(f"{b:.2f} → {o:.2f}" for _, b, _, o, _ in rows_of(name))]
        for name in names
    ]
    sets = [facts.name for facts in read(names[0]).sets]
    return f"{table(['setting 1, PSNR on Y in dB', *sets], rows)}\n\nMeasured by {measured(*names)}."


PAPER: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Claim 1: no kernel estimator is needed": ("ahead at a tenth of the size, over a short training", ("baselines",)),
    "Claim 2: attention over the whole picture pays": ("attention of trained weights switched off", ("attention",)),
    "Claim 3: patches from the centre": ("the authors' own log", ("crop",)),
    "Question 1: does the network know the blur?": ("yes, as far as a linear map can tell", ("kernel",)),
    "Question 2: two stages, or one?": ("nothing", ("two-stage",)),
    "Question 3: where does attention pay?": ("where it looks", ("attention-patches",)),
    "Check 1: other degradations": ("elliptic blur, noise, JPEG", ("diverse",)),
    "Check 2: each component": ("depth-wise convolutions pay; the rest is not shown", ("components",)),
    "Check 3: hairlines": ("verdicts against bicubic; no people yet", ()),
}
"""Headings of the page about the paper: what was measured in short, and which experiments belong there."""

CLAIM_STEPS, CLAIM_SEEDS = 1000, 2
"""No claim of a page rests on shorter trainings, or on fewer seeds."""


@cache
def experiments() -> dict[str, Results]:
    """Results of experiments, by the name of their file."""
    return {path.stem: read_results(path) for path in sorted((RECORDS / "experiments").glob("*.json"))}


def carries_a_claim(results: Results) -> bool:
    """Whether its trainings are long enough, and enough."""
    return min(run.steps for run in results.runs) >= CLAIM_STEPS and len(results.seeds) >= CLAIM_SEEDS


def comparison_rows(name: str) -> Iterator[list[str]]:
    """A row for each comparison of an experiment."""
    results = experiments()[name]
    measure, (first, *others) = results.experiment.measures[0], results.sets
    steps = sorted({run.steps for run in results.runs})
    batches = sorted({run.batch for run in results.runs})
    budget = f"{results.budget}: {'…'.join(f'{n:,}' for n in steps)} steps of {'…'.join(map(str, batches))}"
    for variant, rival in results.compared:
        words = [verdict(*results.gain(one, measure, variant), measure=measure) for one in results.sets]
        elsewhere = [
            f"{one.name}: {re.split(' by | [(]', text)[0]}" for one, text in zip(others, words[1:], strict=True)
        ]
        yield [
            f"[{results.experiment.name}](experiments/{name}.md)",
            f"{variant} against {rival}",
            budget if carries_a_claim(results) else f"{budget} (too few for a claim)",
            ", ".join(map(str, results.seeds)),
            f"{first.name}: {gain_in_words(results, first, variant)}{unit_of(measure)}",
            words[0],
            "; ".join(elsewhere),
        ]


def comparison_table(names: Sequence[str]) -> str:
    """Comparisons of some experiments."""
    heads = ["experiment", "variant", "budget", "seeds", "gain [95 % interval]", "verdict", "on other sets"]
    return table(heads, [row for name in names for row in comparison_rows(name)])


def experiment_table() -> str:
    """All comparisons."""
    return comparison_table(list(experiments())) if experiments() else "No results are kept here yet."


def experiment_answer(experiment: str) -> str:
    """What an experiment has shown, in one place of the page about the paper."""
    names = [name for name, results in experiments().items() if results.experiment.name == experiment]
    if not names:
        return f"**Not shown.** The experiment `{experiment}` has not been run at a budget whose results are kept here."
    if not any(carries_a_claim(experiments()[name]) for name in names):
        short = f"fewer than {CLAIM_STEPS:,} steps or {CLAIM_SEEDS} seeds say which variant starts faster"
        return f"**Not shown** at a budget that carries a claim; {short}:\n\n{comparison_table(names)}"
    return comparison_table(names)


def paper_state() -> str:
    """What has been measured of each part of the paper, and how far its experiments are."""
    rows = []
    for title, (told, names) in PAPER.items():
        anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        states = [f"`{name}` {experiment_state(name)}" for name in names]
        rows.append([f"[{title}](#{anchor})", told, "; ".join(states) or "–"])
    lines = [["part of the paper", "measured here", "experiment"], ["---"] * 3, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def experiment_state(experiment: str) -> str:
    """How far an experiment is, in words."""
    found = [results for results in experiments().values() if results.experiment.name == experiment]
    if any(carries_a_claim(results) for results in found):
        return "run"
    return "run, too short for a claim" if found else "not run"


MAKERS: Mapping[str, Callable[[], str]] = {
    "quality-x2": partial(quality, "gaussian8-x2"),
    "quality-x3": partial(quality, "gaussian8-x3"),
    "quality-x4": partial(quality, "gaussian8-x4"),
    "paper-quality": paper_quality,
    "anisotropic": anisotropic,
    "photo": photo,
    "second-stage": second_stage,
    "readme": readme,
    "bench-table": bench_table,
    "measures": measures,
    "hairlines": partial(hairline_table, "hairlines-x4"),
    "hairline-verdicts": hairline_verdicts,
    "hairline-sentence": hairline_sentence,
    "hairline-observer": observer_table,
    "experiments": experiment_table,
    "paper-state": paper_state,
}
OF_EXPERIMENT = "experiment-"
"""What the names of tables about one experiment begin with."""


def pages() -> list[Path]:
    """Where tables may stand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def made(name: str) -> str:
    """A table by its name."""
    if name.startswith(OF_EXPERIMENT):
        return experiment_answer(name.removeprefix(OF_EXPERIMENT))
    return MAKERS[name]()


def rewritten(text: str) -> str:
    """A page with its tables made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{made(found[2])}\n\n{found[3]}", text)


def experiment_files() -> dict[Path, str]:
    """Pages of experiments, and their plots."""
    folder = ROOT / "docs" / "experiments"
    return {
        folder / file: text
        for name, results in experiments().items()
        for file, text in make_files(results, name).items()
    }


def main() -> None:
    """Write all pages whose tables have changed."""
    files = {page: rewritten(page.read_text(encoding="utf-8")) for page in pages()} | experiment_files()
    for page, text in files.items():
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.parent.mkdir(exist_ok=True)
            write_file_atomically(page, text.encode())
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
