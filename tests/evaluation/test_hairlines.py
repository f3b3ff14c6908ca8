"""The hairline benchmark: models in, means by width out."""

import pytest
import torch
import typer

from nlcunet.cli.bench_hairlines import hairlines
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.evaluation.hairlines import make_hairline_table, means_of_models, run_hairlines
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
    means = means_of_models(results)
    assert list(means) == ["bicubic", "nearest"]
    for of_model in means.values():
        assert [mean.width_low_res_px for mean in of_model] == [0.5, 2.0]
        assert all(mean.pictures == len(cases) for mean in of_model)
        assert of_model[0].contrast_kept < of_model[1].contrast_kept < 1.1


def test_stronger_blur_keeps_less(cases):
    kept = [
        [
            mean.contrast_kept
            for mean in means_of_models(run_hairlines({"bicubic": bicubic}, cases, [record]))["bicubic"]
        ]
        for record in (blur_record(0.8), blur_record(1.6))
    ]
    assert all(weak > strong for weak, strong in zip(*kept, strict=True))


def test_the_table_has_a_row_for_each_width(cases):
    means = means_of_models(run_hairlines({"bicubic": bicubic, "nearest": nearest}, cases, [blur_record(1.2)]))
    rows = make_hairline_table(means)
    assert rows[0] == "| width (LR px) | bicubic | nearest |"
    assert rows[1] == "|---|---|---|"
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["0.5", "2.0"]
    mean = means["nearest"][1]
    assert f"{mean.contrast_kept:.2f} ± {mean.contrast_error:.2f}; {mean.false_lines_flat:.2f}" in rows[3]


def test_pictures_and_degradations_must_be_of_one_scale(cases):
    with pytest.raises(ConfigError, match=r"all of one scale: got 8 and 1 of scales \[2, 4\]"):
        run_hairlines({"bicubic": bicubic}, cases, [blur_record(2.0, scale=4)])
    with pytest.raises(ConfigError, match="must be given"):
        run_hairlines({"bicubic": bicubic}, cases, [])


def test_a_model_of_another_scale_is_refused(cases):
    with pytest.raises(ConfigError, match="enlarge by the scale that they were made for"):
        run_hairlines({"same": torch.clone}, cases, [blur_record(1.2)])


def test_the_command_measures_models_by_name(capsys):
    run = typer.Typer()
    run.command()(hairlines)
    run(["-m", "bicubic-x2", "-s", "2", "--sigmas", "0.8", "--threads", "1"], standalone_mode=False)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Hairlines ×2, version 1, seed 0: 72 pictures."
    assert hairlines_sha256(make_hairline_cases(2)) in told[1]
    assert "sigma 0.80 px" in told[2]
    assert told[5] == "| width (LR px) | bicubic | bicubic-x2 |"
    rows = [line.split("|")[2:4] for line in told[7:]]
    assert len(rows) == len(WIDTHS_LOW_RES_PX)
    assert all(first == second for first, second in rows)


def test_the_command_refuses_models_of_another_scale():
    run = typer.Typer()
    run.command()(hairlines)
    with pytest.raises(ConfigError, match="choose another model"):
        run(["-m", "bicubic-x4", "-s", "2"], standalone_mode=False)
