"""Verdicts follow from intervals, and reports from results alone."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from nlcunet.evaluation.statistics import Interval
from nlcunet.experiments.variants.curves import ValidationPoint
from nlcunet.experiments.variants.page import make_files, make_page
from nlcunet.experiments.variants.report import make_markdown, verdict, verdict_tables
from nlcunet.experiments.variants.results import Results, RunResult, SetResult, read_results, write_results

IMAGES = tuple(f"{number}.png" for number in range(20))


@pytest.fixture
def make_results(make_experiment):
    """Results in which the fast variant is above the slow one by so many dB, with noise over pictures and seeds."""

    def make(gain: float, seed_noise: float = 0.01, seeds: tuple[int, ...] = (1, 2), **changes) -> Results:
        experiment = make_experiment(
            variants={"slow": {"optim.lr": 1e-5}, "fast": {}, "faster": {"optim.lr": 3e-3}, "fastest": {"seed": 9}},
            **changes,
        )
        random = np.random.default_rng(3)
        level = random.normal(28, 3, len(IMAGES))
        values = {"bicubic": tuple(level - 2)}
        for variant in experiment.variants:
            for seed in seeds:
                own = gain * (variant == "fast") + random.normal(0, seed_noise)
                values[f"{variant}@{seed}"] = tuple(level + own + random.normal(0, 0.02, len(IMAGES)))
        ssim = {name: tuple(np.clip(np.array(one) / 40, 0, 1)) for name, one in values.items()}
        points = [ValidationPoint(step=n, patches=2 * n, seconds=n / 10, psnr_y=25 + n / 8) for n in range(0, 9, 2)]
        runs = [
            RunResult(variant=variant, seed=seed, steps=8, batch=2, curve=tuple(points))
            for variant in experiment.variants
            for seed in seeds
        ]
        one = SetResult(
            title="Set14",
            protocol="gaussian8",
            scale=2,
            description=("Protocol gaussian8", "Input", "Measure"),
            images=IMAGES,
            pairs=160,
            left_out=(),
            values={"psnr_y": values, "ssim_y": ssim},
        )
        made = dict.fromkeys(("date", "nlcunet", "revision", "torch", "machine"), "x")
        return Results(
            experiment=experiment,
            budget="small",
            variants=tuple(experiment.variants),
            seeds=seeds,
            unfinished=(),
            runs=tuple(runs),
            costs={},
            sets=(one,),
            photographs="12 photographs (stripes)",
            made=made,
        )

    return make


def test_a_difference_far_beyond_the_noise_is_shown_with_its_sign(make_results) -> None:
    tables = verdict_tables(make_results(0.5))
    assert tables.count("**better** by") == 2  # PSNR and SSIM of the fast one
    assert "not shown" in tables  # of the others
    assert "**worse** by" in verdict_tables(make_results(-0.5))


def test_a_difference_within_the_noise_of_seeds_is_not_shown(make_results) -> None:
    results = make_results(0.1, seed_noise=0.5)
    gain, interval = results.gain(results.sets[0], "psnr_y", "fast")
    assert interval is not None
    assert interval.low < 0 < interval.high
    assert interval.low < gain < interval.high


def test_one_seed_shows_nothing(make_results) -> None:
    assert "one seed)" in verdict_tables(make_results(0.5, seeds=(1,)))


def test_verdicts_mind_which_way_is_better() -> None:
    interval = Interval(low=0.02, high=0.04)
    assert verdict(0.03, interval, measure="psnr_y") == "**better** by 0.020 to 0.040 dB"
    assert verdict(0.03, interval, measure="effnet_lite0").startswith("**worse**")
    below = Interval(low=-0.04, high=-0.02)
    assert verdict(-0.03, below, measure="psnr_y") == "**worse** by 0.020 to 0.040 dB"
    assert verdict(-0.03, below, measure="effnet_lite0").startswith("**better**")


def test_a_variant_can_be_compared_with_another_than_the_baseline(make_results) -> None:
    results = make_results(0.5, against={"faster": "fast"})
    assert dict(results.compared) == {"faster": "fast", "fastest": "slow"}
    gain, _ = results.gain(results.sets[0], "psnr_y", "faster")
    assert gain == pytest.approx(-0.5, abs=0.1)
    assert "| faster against fast |" in verdict_tables(results)


def test_reports_are_functions_of_the_file(make_results, tmp_path) -> None:
    results = make_results(0.5)
    write_results(tmp_path / "results.json", results)
    again = read_results(tmp_path / "results.json")
    assert make_markdown(again) == make_markdown(results)
    page = make_page(again)
    assert page == make_page(results)
    assert page.count("<svg") >= 3
    assert "<script src" not in page


def test_the_markdown_has_its_plots_beside_it(make_results) -> None:
    files = make_files(make_results(0.5), "tiny")
    assert list(files) == ["tiny.md", "tiny-steps.svg", "tiny-minutes.svg", "tiny-cost.svg"]
    assert "![validation over steps](tiny-steps.svg)" in files["tiny.md"]
    for name in ("tiny-steps.svg", "tiny-minutes.svg"):
        root = ET.fromstring(files[name])  # noqa: S314 - our own text
        shown = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"slow", "fast", "faster", "fastest"} <= shown  # the legend
        style = root.findtext("{http://www.w3.org/2000/svg}style")
        assert style is not None
        used = {name for one in root.iter() for name in one.get("class", "").split()}
        assert {name for name in used - {"dot"} if f".{name} " not in style} == set()
        assert "body" not in style


def test_the_markdown_holds_what_a_reader_needs(make_results) -> None:
    text = make_markdown(make_results(0.5))
    for words in ("Which rate?", "seeds 1, 2", "12 photographs (stripes)", "## Verdict", "## Cost", "bicubic"):
        assert words in text
    assert "nlcunet experiment run tiny --budget small" in text
