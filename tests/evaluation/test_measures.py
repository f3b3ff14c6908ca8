"""The table of measures: each by its name, with what it needs, its border and its rounding."""

import math
from dataclasses import replace

import pytest
import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError, WeightsError
from nlcunet.evaluation.measures import DEFAULT_MEASURES, MEASURES, MeasureOptions, find_measures
from nlcunet.evaluation.perceptual import Dists, load_lpips
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.niqe import niqe
from nlcunet.metrics.psnr import psnr_rgb, psnr_y
from nlcunet.metrics.ssim import ssim_y
from nlcunet.models.backbones.feature_stacks import make_alexnet, make_vgg16
from nlcunet.tensors import round_to_8bit

RECORD = DegradationRecord(scale=4, kernel="isotropic", kernel_size_px=21, sigma_x_px=2.0, sigma_y_px=2.0)
NO_WEIGHTS_NEEDED = ("psnr_y", "ssim_y", "psnr_rgb", "consistency", "effnet_lite0", "niqe")


@pytest.fixture(scope="module")
def pairs():
    """Two originals, their inputs, and bicubic enlargements."""
    coarse = torch.rand(2, 3, 36, 48, generator=torch.Generator().manual_seed(0))
    truth = round_to_8bit(resize_bicubic(coarse, 108, 144))
    low_res = apply_records(truth.double(), [RECORD, RECORD]).float()
    return resize_bicubic(low_res, 108, 144), truth, low_res


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Options with made-up weights of the published names and shapes."""
    folder = tmp_path_factory.mktemp("weights")
    alex = [64, 192, 384, 256, 256]
    torch.save(make_alexnet().state_dict(), folder / "alexnet.pth")
    torch.save(make_vgg16().state_dict(), folder / "vgg16.pth")
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(alex)}, folder / "alex.pth")
    torch.save({name: torch.rand(1, 1475, 1, 1) for name in ("alpha", "beta")}, folder / "weights.pt")
    return MeasureOptions(
        lpips_backbone_weights=folder / "alexnet.pth",
        lpips_linear_weights=folder / "alex.pth",
        dists_backbone_weights=folder / "vgg16.pth",
        dists_weights=folder / "weights.pt",
    )


def score_all(measures, output, truth, low_res, record):
    return {measure.name: measure.score(output, truth, low_res, record) for measure in measures}


def test_every_measure_of_the_table_gives_one_number_a_picture(pairs, options):
    measures = find_measures(MEASURES, options)
    assert [measure.name for measure in measures] == list(MEASURES)
    for score in score_all(measures, *pairs, RECORD).values():
        assert score.shape == (2,)
        assert score.isfinite().all()


def test_the_original_scores_better_than_its_enlargement(pairs, options):
    output, truth, low_res = pairs
    for measure in find_measures([name for name in MEASURES if name != "niqe"], options):  # no photographs, these
        of_truth = measure.score(truth, truth, low_res, RECORD)
        of_output = measure.score(output, truth, low_res, RECORD)
        is_better = of_truth > of_output if measure.better == "higher" else of_truth < of_output
        assert is_better.all(), measure.name


def test_perfect_outputs_have_the_best_numbers(pairs, options):
    _, truth, low_res = pairs
    best = {"psnr_y": math.inf, "psnr_rgb": math.inf, "ssim_y": 1.0, "effnet_lite0": 0.0, "lpips": 0.0, "dists": 0.0}
    for measure in find_measures(best, options):
        assert measure.score(truth, truth, low_res).tolist() == pytest.approx([best[measure.name]] * 2)


def test_known_measures_are_those_of_the_metrics(pairs):
    output, truth, low_res = pairs
    scores = score_all(find_measures(("psnr_y", "ssim_y", "psnr_rgb", "niqe")), output, truth, low_res, None)
    expected = {
        "psnr_y": psnr_y(output, truth, border=4),
        "ssim_y": ssim_y(output, truth, border=4),
        "psnr_rgb": psnr_rgb(output, truth, border=4),
        "niqe": niqe(output),
    }
    for name, value in expected.items():
        torch.testing.assert_close(scores[name], value)


def test_single_pictures_score_as_in_a_batch(pairs):
    measures = find_measures(NO_WEIGHTS_NEEDED)
    together = score_all(measures, *pairs, [RECORD, RECORD])
    for index in range(2):
        for measure in measures:
            alone = measure.score(*(images[index] for images in pairs), RECORD)
            assert alone.shape == ()
            assert alone.item() == pytest.approx(together[measure.name][index].item(), rel=1e-4)


@pytest.mark.parametrize("name", ["psnr_y", "ssim_y", "psnr_rgb", "effnet_lite0", "lpips", "dists"])
def test_the_border_does_not_count_where_there_is_an_original(pairs, options, name):
    output, truth, low_res = pairs
    (measure,) = find_measures([name], options)
    spoilt = output.clone()
    spoilt[..., :4, :], spoilt[..., -4:, :], spoilt[..., :, :4], spoilt[..., :, -4:] = 0, 1, 0, 1
    expected = measure.score(output, truth, low_res)
    torch.testing.assert_close(measure.score(spoilt, truth, low_res), expected)
    spoilt[..., 4, :] = 1
    assert not torch.allclose(measure.score(spoilt, truth, low_res), expected)


@pytest.mark.parametrize("name", NO_WEIGHTS_NEEDED)
def test_outputs_are_clamped_and_rounded_to_8_bits(pairs, name):
    output, truth, low_res = pairs
    output = round_to_8bit(output)
    (measure,) = find_measures([name])
    exact = measure.score(output, truth, low_res, RECORD)
    torch.testing.assert_close(measure.score(output + 0.3 / 255, truth, low_res, RECORD), exact)
    beyond = torch.where(output == 1, 1.5, torch.where(output == 0, -0.5, output))
    torch.testing.assert_close(measure.score(beyond, truth, low_res, RECORD), exact)


def test_consistency_leaves_noise_and_compression_out(pairs):
    _, truth, _ = pairs
    (measure,) = find_measures(["consistency"])
    noisy = replace(RECORD, noise_std_8bit=10.0, jpeg_quality=40)
    clean_input, noisy_input = (apply_records(truth.double(), [record] * 2) for record in (RECORD, noisy))
    assert measure.score(truth, None, clean_input, RECORD).tolist() == pytest.approx([58.9, 58.9], abs=0.3)
    assert torch.equal(measure.score(truth, None, clean_input, noisy), measure.score(truth, None, clean_input, RECORD))
    limited = measure.score(truth, None, noisy_input, noisy)
    assert (limited < 35).all()


def test_consistency_takes_records_of_several_kinds_together(pairs):
    _, truth, _ = pairs
    (measure,) = find_measures(["consistency"])
    records = [RECORD, DegradationRecord(scale=4)]
    low_res = torch.cat([apply_records(truth[[i]].double(), [record]) for i, record in enumerate(records)])
    assert (measure.score(truth, None, low_res, records) > 58).all()
    assert (measure.score(truth, None, low_res, records[::-1]) < 50).all()


def test_what_a_measure_needs_must_be_given(pairs):
    output, truth, low_res = pairs
    psnr, consistent, blind = find_measures(["psnr_y", "consistency", "niqe"])
    with pytest.raises(ConfigError, match="psnr_y needs low_res and truth of all 2 pictures: got none of truth"):
        psnr.score(output, None, low_res)
    with pytest.raises(ConfigError, match="got none of truth, low_res"):
        psnr.score(output)
    with pytest.raises(ConfigError, match=r"consistency needs low_res and record .* got none of record"):
        consistent.score(output, truth, low_res)
    with pytest.raises(ConfigError, match="got none of some records"):
        consistent.score(output, truth, low_res, [RECORD, None])
    assert blind.score(output).shape == (2,)
    assert (psnr.needs, consistent.needs, blind.needs) == ({"truth", "low_res"}, {"low_res", "record"}, frozenset())


def test_sizes_must_match(pairs):
    output, truth, low_res = pairs
    (psnr,) = find_measures(["psnr_y"])
    with pytest.raises(ConfigError, match="must have the same shape"):
        psnr.score(output[..., :-4], truth, low_res)


def test_default_measures_are_those_of_every_table():
    assert DEFAULT_MEASURES == ("psnr_y", "ssim_y", "psnr_rgb")
    assert [(measure.unit, measure.better) for measure in find_measures()] == [
        ("dB", "higher"),
        ("", "higher"),
        ("dB", "higher"),
    ]


def test_unknown_and_repeated_names_are_refused():
    with pytest.raises(ConfigError, match=r"measures must be among psnr_y, .* dists: got vmaf"):
        find_measures(["psnr_y", "vmaf"])
    with pytest.raises(ConfigError, match="asked for once"):
        find_measures(["niqe", "niqe"])


@pytest.mark.parametrize(("name", "option"), [("lpips", "lpips_backbone_weights"), ("dists", "dists_backbone_weights")])
def test_weights_that_are_not_named_are_told(name, option):
    with pytest.raises(WeightsError, match=f"{name} needs published weights, {option} such as .*docs/measures.md"):
        find_measures([name])


def test_lpips_and_dists_are_the_networks_of_the_options(pairs, options):
    output, truth, low_res = pairs
    lpips, _ = find_measures(["lpips", "dists"], options)
    network = load_lpips(options.lpips_backbone_weights, options.lpips_linear_weights)
    inner = [images[..., 4:-4, 4:-4] for images in (round_to_8bit(output), truth)]
    torch.testing.assert_close(lpips.score(output, truth, low_res), network(*inner))
    assert Dists()(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)).isnan().all()  # without weights: 0 / 0
