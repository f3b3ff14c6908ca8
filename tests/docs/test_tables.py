"""Tables of the pages follow from the records, and the records are of the weights in the package."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nlcunet.experiments.variants.curves import ValidationPoint
from nlcunet.experiments.variants.definition import embedded_experiments, read_experiment
from nlcunet.experiments.variants.results import Results, RunResult, SetResult, write_results
from nlcunet.files.checksums import hash_file
from nlcunet.models.weights import embedded_models, find_weights

from .pages import ROOT


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "making" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_what_its_records_give(tables: ModuleType) -> None:
    found = []
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        found += [match[2] for match in tables.BLOCK.finditer(text)]
        assert tables.rewritten(text) == text, f"{page.name} has other numbers than docs/records: make numbers"
    about = {name for name in found if name.startswith(tables.OF_EXPERIMENT)}
    assert sorted(name for name in found if name not in about) == sorted(tables.MAKERS)
    assert {name.removeprefix(tables.OF_EXPERIMENT) for name in about} <= set(embedded_experiments())
    assert len(about) == len([name for name in found if name.startswith(tables.OF_EXPERIMENT)])


def test_every_kept_experiment_has_the_page_that_its_results_give(tables: ModuleType) -> None:
    made = tables.experiment_files()
    folder = ROOT / "docs" / "experiments"
    there = set(folder.iterdir()) if folder.is_dir() else set()
    assert there == set(made), "make numbers, and remove the pages of experiments that are no longer kept"
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} has other numbers than its results: make numbers"


def test_the_records_are_of_the_weights_in_the_package(tables: ModuleType) -> None:
    measured = {}
    for file in sorted(tables.RECORDS.glob("*.jsonl.gz")):
        systems = tables.read(file.name.removesuffix(".jsonl.gz")).systems
        measured |= {one.name: one.sha256 for one in systems if one.sha256}
    for file in sorted(tables.RECORDS.glob("hairline*.json")):
        of_file = json.loads(file.read_text(encoding="utf-8"))["weights"]
        assert {name: measured.get(name) for name in of_file} == of_file, file.name
    told = "measure again: python docs/making/records.py SETS, then make numbers"
    shipped = {name: hash_file(find_weights(name)) for name in embedded_models()}
    assert measured == shipped, told


def test_a_changed_number_is_noticed(tables: ModuleType) -> None:
    page = next(page for page in tables.pages() if tables.BLOCK.search(page.read_text(encoding="utf-8")))
    text = page.read_text(encoding="utf-8")
    block = tables.BLOCK.search(text)
    assert block is not None
    changed = text.replace(block[0], block[0].replace("2", "3", 1))
    assert tables.rewritten(changed) == text


def made_up_results(*, steps: int, gain: float) -> Results:
    """Results of the embedded experiment about cropping, with numbers made up here."""
    experiment = read_experiment("crop")
    level = (26.0, 28.0, 31.0, 29.5)
    above = {"random": 0.0, "central": gain, "detail": 0.0}
    wobble = {1: 0.001, 2: -0.001}
    values = {
        f"{variant}@{seed}": tuple(one + above[variant] + noise * (variant == "detail") for one in level)
        for variant in experiment.variants
        for seed, noise in wobble.items()
    }
    sets = [
        SetResult(
            title=title,
            protocol="gaussian8",
            scale=4,
            description=("Protocol",),
            images=tuple("abcd"),
            pairs=12,
            left_out=(),
            values={measure: {"bicubic": level, **values} for measure in experiment.measures},
        )
        for title in ("held-out", "Set14")
    ]
    curve = (ValidationPoint(step=steps, patches=4 * steps, seconds=9.0, psnr_y=28.0),)
    runs = [
        RunResult(variant=variant, seed=seed, steps=steps, batch=4, curve=curve)
        for variant in experiment.variants
        for seed in wobble
    ]
    return Results(
        experiment=experiment,
        budget="steps",
        variants=tuple(experiment.variants),
        seeds=tuple(wobble),
        unfinished=(),
        runs=tuple(runs),
        costs={},
        sets=tuple(sets),
        photographs="12 photographs (made up)",
        made=dict.fromkeys(("date", "nlcunet", "revision", "torch", "machine"), "x"),
    )


@pytest.fixture
def kept(tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the results of one experiment those that are kept."""
    (tmp_path / "experiments").mkdir()
    monkeypatch.setattr(tables, "RECORDS", tmp_path)
    monkeypatch.setattr(tables, "experiments", tables.experiments.__wrapped__)

    def keep(**changes: float) -> None:
        write_results(tmp_path / "experiments" / "crop-steps.json", made_up_results(**changes))

    return keep


def test_an_experiment_that_was_run_fills_the_tables(tables: ModuleType, kept: Callable[..., None]) -> None:
    assert tables.made("experiment-crop").startswith("**Not shown.** The experiment `crop` has not been run")
    assert tables.experiment_table() == "No results are kept here yet."
    kept(steps=2000, gain=0.3)
    lines = tables.made("experiment-crop").splitlines()
    assert len(lines) == 4  # two comparisons
    assert "[crop](experiments/crop-steps.md) | central against random | steps: 2,000 steps of 4 | 1, 2" in lines[2]
    assert "**better** by 0.29" in lines[2]
    assert lines[2].endswith("| Set14, gaussian8: **better** |")
    assert "| not shown (−0.00" in lines[3]
    assert tables.experiment_table().splitlines() == lines
    assert "| `crop` run |" in tables.paper_state()
    assert "| `diverse` not run |" in tables.paper_state()
    names = {path.name for path in tables.experiment_files()}
    plots = ("steps", "minutes", "cost")
    assert names == {"crop-steps.md", *(f"crop-steps-{plot}.svg" for plot in plots)}
    assert tables.made("experiment-attention").startswith("**Not shown.**")


def test_the_page_about_the_paper_has_a_heading_for_each_part(tables: ModuleType) -> None:
    headings = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8").splitlines()
    assert [title for title in tables.PAPER if f"### {title}" not in headings] == []
    named = {name for _, names in tables.PAPER.values() for name in names}
    assert named <= set(embedded_experiments())


def test_a_short_experiment_carries_no_claim(tables: ModuleType, kept: Callable[..., None]) -> None:
    kept(steps=60, gain=0.3)
    text = tables.made("experiment-crop")
    assert text.startswith("**Not shown** at a budget that carries a claim")
    assert "60 steps of 4 (too few for a claim)" in text
    assert "| `crop` run, too short for a claim |" in tables.paper_state()


def test_an_empty_place_for_a_table_takes_nothing_of_the_page(tables: ModuleType) -> None:
    empty = "<!-- numbers: experiment-crop -->\n<!-- /numbers -->\n\nBetween.\n\n"
    text = tables.rewritten(f"{empty}{empty}")
    assert text.count("Between.") == 2
    assert text.count("The experiment `crop`") == 2
    assert tables.rewritten(text) == text
