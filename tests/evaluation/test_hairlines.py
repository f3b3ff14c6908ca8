"""The hairline benchmark: models in, means by width out."""

from statistics import fmean

import pytest
import torch
import typer

from nlcunet.cli.bench_hairlines import hairlines
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.evaluation.hairline_page import make_markdown, make_page, verdict_rows
from nlcunet.evaluation.hairlines import (
    HairlineFindings,
    collect_findings,
    load_enlargers,
    make_hairline_table,
    run_hairlines,
)
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.hairline_cases import WIDTHS_LOW_RES_PX, hairlines_sha256, make_hairline_cases


def blur_record(sigma_px, scale=2):
    return DegradationRecord(
        scale=scale, kernel="isotropic", kernel_size_px=21, sigma_x_px=sigma_px, sigma_y_px=sigma_px
    )


def bicubic(low_res):
    return resize_bicubic(low_res, 2 * low_res.shape[-2], 2 * low_res.shape[-1])


def nearest(low_res):
    return low_res.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


def findings_of(results, cases):
    return collect_findings(results, cases, seed=0, weights={})


@pytest.fixture(scope="module")
def cases():
    return make_hairline_cases(2, widths_low_res_px=(0.5, 2.0), contrasts=(0.25,))


def test_every_model_is_scored_on_every_picture_and_degradation(cases):
    counted = []
    models = {"bicubic": bicubic, "nearest": nearest}
    results = run_hairlines(
        models,
        cases,
        [blur_record(0.8), blur_record(1.6)],
        on_pictures_done=lambda model, count: counted.append((model, count)),
    )
    assert len(results) == 2 * 2 * len(cases)
    assert sum(count for model, count in counted if model == "nearest") == 2 * len(cases)
    found = findings_of(results, cases)
    assert list(found.scores) == ["bicubic", "nearest"]
    assert found.widths == (0.5, 2.0)
    thin, wide = (found.values("contrast_kept", width=width).mean(axis=1) for width in found.widths)
    assert (thin < wide).all()
    assert (wide < 1.1).all()


def test_scores_of_a_picture_are_means_over_its_degradations(cases):
    results = run_hairlines({"bicubic": bicubic}, cases, [blur_record(0.8), blur_record(1.6)])
    found = findings_of(results, cases)
    own = [result.score for result in results if result.case is cases[3]]
    assert found.sigmas_px == (0.8, 1.6)
    assert found.scores["bicubic"]["false_lines"][3] == pytest.approx(fmean(s.false_lines for s in own), abs=1e-5)
    error = fmean(abs(s.contrast_kept - 1) for s in own)
    assert found.scores["bicubic"]["contrast_error"][3] == pytest.approx(error, abs=1e-5)
    grounds = [found.values("contrast_kept", ground=ground).shape[1] for ground in ("flat", "textured")]
    assert grounds == [len(cases) / 2] * 2


def test_stronger_blur_keeps_less(cases):
    found = [
        findings_of(run_hairlines({"bicubic": bicubic}, cases, [record]), cases)
        for record in (blur_record(0.8), blur_record(1.6))
    ]
    for width in (0.5, 2.0):
        weak, strong = (float(one.values("contrast_kept", width=width).mean()) for one in found)
        assert weak > strong


def test_the_table_has_a_row_for_each_width(cases):
    found = findings_of(run_hairlines({"bicubic": bicubic, "nearest": nearest}, cases, [blur_record(1.2)]), cases)
    rows = make_hairline_table(found)
    assert rows[0] == "| width (LR px) | bicubic | nearest |"
    assert rows[1] == "|---|---|---|"
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["0.5", "2.0"]
    kept, error = (found.values(name, width=2.0)[1].mean() for name in ("contrast_kept", "contrast_error"))
    assert f"{kept:.2f} ± {error:.2f}; " in rows[3]


def test_pictures_and_degradations_must_be_of_one_scale(cases):
    with pytest.raises(ConfigError, match=r"all of one scale: got 8 and 1 of scales \[2, 4\]"):
        run_hairlines({"bicubic": bicubic}, cases, [blur_record(2.0, scale=4)])
    with pytest.raises(ConfigError, match="must be given"):
        run_hairlines({"bicubic": bicubic}, cases, [])


def test_a_model_of_another_scale_is_refused(cases):
    with pytest.raises(ConfigError, match="enlarge by the scale that they were made for"):
        run_hairlines({"same": torch.clone}, cases, [blur_record(1.2)])


def run_command(*arguments):
    run = typer.Typer()
    run.command()(hairlines)
    run([str(one) for one in arguments], standalone_mode=False)


def test_the_command_measures_models_by_name_and_writes_pages(capsys, tmp_path):
    files = [tmp_path / f"lines.{ending}" for ending in ("json", "md", "html")]
    outputs = [part for file in files for part in ("-o", file)]
    run_command("-m", "bicubic-x2", "-s", "2", "--sigmas", "0.8", "--threads", "1", *outputs)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Hairlines ×2, version 1, seed 0: 72 pictures."
    assert hairlines_sha256(make_hairline_cases(2)) in told[1]
    assert "sigma 0.80 px" in told[2]
    assert told[5] == "| width (LR px) | bicubic | Lanczos | bicubic-x2 |"
    rows = [line.split("|")[2:5] for line in told[7:]]
    assert len(rows) == len(WIDTHS_LOW_RES_PX)
    assert all(bicubic == same != lanczos for bicubic, lanczos, same in rows)
    found = HairlineFindings.model_validate_json(files[0].read_text())
    text = files[1].read_text()
    assert text == make_markdown(found, "bicubic")
    assert "**better** by" in text  # Lanczos is sharper
    assert "not shown (0.000 to 0.000)" in text  # bicubic against itself
    page = files[2].read_text()
    assert page == make_page(found, "bicubic")
    assert page.count("<svg") >= 2
    assert "<script src" not in page


def test_a_difference_beyond_the_noise_of_pictures_is_shown(cases):
    kept = dict.fromkeys(("contrast_kept", "contrast_error", "false_lines"), tuple(0.5 + n / 100 for n in range(8)))
    closer = {**kept, "contrast_error": tuple(value - 0.2 - n % 2 / 100 for n, value in enumerate(kept["false_lines"]))}
    base = findings_of(run_hairlines({"bicubic": bicubic}, cases, [blur_record(1.2)]), cases)
    found = base.model_copy(update={"scores": {"bicubic": kept, "closer": closer}})
    gain, interval = found.gain("contrast_error", "closer", "bicubic")
    assert gain == pytest.approx(-0.205)
    assert interval.low < gain < interval.high < -0.19
    rows = dict(verdict_rows(found, "contrast_error", "bicubic"))
    assert rows["all"]["closer"].startswith("**better** by 0.20")
    assert dict(verdict_rows(found, "false_lines", "bicubic"))["all"]["closer"].startswith("not shown")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-o", "lines.txt"), "got lines.txt; choose another name"),
        (("--baseline", "nearest"), "the baseline must be one of bicubic, Lanczos: got 'nearest'"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_measured(arguments, told, monkeypatch):
    monkeypatch.setattr("nlcunet.models.weights.embedded_models", lambda: ())
    with pytest.raises(ConfigError, match=told):
        run_command(*arguments)


def test_names_of_the_built_in_enlargers_are_taken():
    with pytest.raises(ConfigError, match="two are called Lanczos"):
        load_enlargers(["Lanczos=bicubic-x2"], 2, torch.device("cpu"))


def test_the_command_refuses_models_of_another_scale():
    with pytest.raises(ConfigError, match="choose another model"):
        run_command("-m", "bicubic-x4", "-s", "2")
