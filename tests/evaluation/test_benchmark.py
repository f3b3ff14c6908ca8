"""Benchmark runs, with tiny networks in place of trained ones."""

import json
import math

import pytest
import torch
from torch import nn

from nlcunet.degradations.pipeline import apply_records
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation import benchmark
from nlcunet.evaluation.benchmark import pixels_sha256, run_benchmark, tiled_enlarger, whole_picture_enlarger
from nlcunet.evaluation.originals import read_original
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.table import make_caption, make_json, make_markdown, make_rows, make_screen_table
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.weights import LoadedModel, WeightsHeader, load_model

CPU = torch.device("cpu")
GAUSSIAN8 = find_protocol("gaussian8", 4)
BICUBIC = find_protocol("bicubic", 4)


def bicubic(low_res):
    return resize_bicubic(low_res, 4 * low_res.shape[-2], 4 * low_res.shape[-1])


def nearest(low_res):
    return low_res.repeat_interleave(4, -1).repeat_interleave(4, -2)


class Picky(nn.Module):
    """Enlarges by pixel repetition, and takes only multiples of 8."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, low_res):
        assert low_res.shape[-1] % 8 == 0
        assert low_res.shape[-2] % 8 == 0
        self.batches.append(len(low_res))
        return nearest(low_res)


def picky_model():
    return LoadedModel(
        Picky(), WeightsHeader(name="picky", architecture="Bicubic", config={}, scale=4, size_multiple=8, min_size=8)
    )


def test_a_run_has_one_result_for_each_model_picture_and_kernel(make_original):
    files = [make_original(f"{name}.png", seed=seed) for seed, name in enumerate("abc")]
    run = run_benchmark({"bicubic": bicubic, "nearest": nearest}, files, GAUSSIAN8)
    keys = [(result.model, result.image, result.kernel_index) for result in run.results]
    assert len(keys) == len(set(keys)) == 2 * 3 * 8
    assert run.models == ("bicubic", "nearest")
    assert set(run.seconds) == {"bicubic", "nearest"}
    assert run.skipped == ()


def test_results_are_what_the_protocol_says(make_original):
    path = make_original()
    run = run_benchmark({"bicubic": bicubic}, [path], GAUSSIAN8)
    original = read_original(path, 4)
    for (index, record), result in zip(GAUSSIAN8.records(path.name), run.results, strict=True):
        low_res = apply_records(original, [record])
        assert (result.kernel_index, result.sigma_px) == (index, record.sigma_px)
        assert result.low_res_sha256 == pixels_sha256(low_res[0])
        assert result.psnr_y == pytest.approx(psnr_y(bicubic(low_res), original, border=4).item(), abs=1e-4)


def test_more_blur_scores_less(make_original):
    run = run_benchmark({"bicubic": bicubic}, [make_original()], GAUSSIAN8)
    assert [r.psnr_y for r in run.results] == sorted((r.psnr_y for r in run.results), reverse=True)
    assert [r.ssim_y for r in run.results] == sorted((r.ssim_y for r in run.results), reverse=True)


def test_the_same_run_gives_the_same_numbers_and_checksums(make_original):
    files = [make_original()]
    first, second = (run_benchmark({"bicubic": bicubic}, files, GAUSSIAN8).results for _ in range(2))
    assert first == second
    assert len({result.low_res_sha256 for result in first}) == 8


def test_bad_files_are_skipped_with_the_reason_and_the_rest_goes_on(make_original, tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture at all")
    files = [damaged, make_original("good.png"), make_original("tiny.png", height=12)]
    seen = []
    run = run_benchmark({"bicubic": bicubic}, files, BICUBIC, on_file_done=seen.append)
    assert {result.image for result in run.results} == {"good.png"}
    assert [line.split(":")[0] for line in run.skipped] == ["damaged.png", "tiny.png"]
    assert seen == files


def test_a_run_without_a_single_readable_file_is_refused(tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture at all")
    with pytest.raises(DataError, match=r"got none of 1; damaged\.png"):
        run_benchmark({"bicubic": bicubic}, [damaged], BICUBIC)


def test_a_model_of_another_scale_is_refused(make_original):
    with pytest.raises(ConfigError, match=r"scale 4: same made \(12, 11\) of \(12, 11\)"):
        run_benchmark({"same": lambda low_res: low_res}, [make_original()], BICUBIC)


def test_padding_is_added_and_cut_off_again():
    low_res = torch.rand(2, 3, 13, 18)
    assert torch.equal(whole_picture_enlarger(picky_model(), CPU)(low_res), nearest(low_res))


def test_tiles_of_a_local_network_give_the_whole_picture():
    low_res = torch.rand(2, 3, 45, 70)
    tiled = tiled_enlarger(picky_model(), CPU, 32)(low_res)
    torch.testing.assert_close(tiled, nearest(low_res), atol=1e-6, rtol=0)


def test_tiles_are_not_seen_whole():
    model = picky_model()
    tiled_enlarger(model, CPU, 32)(torch.rand(1, 3, 70, 70))
    assert len(model.network.batches) > 1


def test_large_originals_are_measured_pair_by_pair_with_the_same_results(make_original, monkeypatch):
    files = [make_original()]
    at_once = run_benchmark({"bicubic": bicubic}, files, GAUSSIAN8).results
    monkeypatch.setattr(benchmark, "PAIR_PIXELS", 3 * 48 * 44)
    batches = []
    in_parts = run_benchmark({"bicubic": lambda x: batches.append(len(x)) or bicubic(x)}, files, GAUSSIAN8).results
    assert batches == [3, 3, 2]
    assert [r.low_res_sha256 for r in in_parts] == [r.low_res_sha256 for r in at_once]
    assert [r.psnr_y for r in in_parts] == pytest.approx([r.psnr_y for r in at_once])


def test_large_batches_are_split(monkeypatch):
    monkeypatch.setattr(benchmark, "BATCH_PIXELS", 3 * 16 * 16)
    model = picky_model()
    low_res = torch.rand(8, 3, 16, 16)
    assert torch.equal(whole_picture_enlarger(model, CPU)(low_res), nearest(low_res))
    assert model.network.batches == [3, 3, 2]


def test_the_bicubic_model_is_bicubic_enlargement():
    low_res = torch.rand(1, 3, 11, 7)
    assert torch.equal(whole_picture_enlarger(load_model("bicubic-x4"), CPU)(low_res), bicubic(low_res))


def test_rows_are_means_over_pairs(make_original):
    files = [make_original(f"{name}.png", seed=seed) for seed, name in enumerate("ab")]
    run = run_benchmark({"bicubic": bicubic}, files, GAUSSIAN8)
    rows = make_rows(run)
    assert [row.label for row in rows] == ["1.80", "2.00", "2.20", "2.40", "2.60", "2.80", "3.00", "3.20", "all"]
    assert [row.means[0].pairs for row in rows] == [2] * 8 + [16]
    assert rows[-1].means[0].psnr_y == pytest.approx(sum(row.means[0].psnr_y for row in rows[:-1]) / 8)
    first = [result.ssim_y for result in run.results if result.kernel_index == 0]
    assert rows[0].means[0].ssim_y == pytest.approx(sum(first) / 2)


def test_markdown_has_the_protocol_above_and_the_gain_beside(make_original):
    run = run_benchmark({"bicubic": bicubic, "nearest": nearest}, [make_original()], BICUBIC)
    text = make_markdown(run, "made|up")
    for line in BICUBIC.description():
        assert line in text
    head, rule, *rows = text.strip().splitlines()[-3:]
    assert head == "| sigma (px) | bicubic | nearest | gain (dB) |"
    assert rule.count("---:") == 4
    smooth, blocky = run.results
    gain = f"{blocky.psnr_y - smooth.psnr_y:+.2f}"
    expected = f"| all | {smooth.psnr_y:.2f} / {smooth.ssim_y:.4f} / {smooth.psnr_rgb:.2f} |"
    assert rows[0].startswith(expected)
    assert rows[0].endswith(f"| {gain} |")


def test_captions_count_pictures_and_pairs_and_name_skipped_files(make_original, tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture at all")
    run = run_benchmark({"bicubic": bicubic}, [make_original(), damaged], GAUSSIAN8)
    caption = make_caption(run, "Made")
    assert "Set: Made, 1 picture, 8 pairs." in caption
    assert caption[-1].startswith("Skipped: damaged.png: ")


@pytest.mark.parametrize("protocol", [GAUSSIAN8, BICUBIC], ids=["eight-rows-and-all", "one-row"])
def test_the_screen_table_has_the_rows_of_the_markdown_one(make_original, protocol):
    run = run_benchmark({"bicubic": bicubic, "nearest": nearest}, [make_original()], protocol)
    table = make_screen_table(run)
    assert table.row_count == len(make_rows(run))
    assert [str(column.header) for column in table.columns] == ["sigma (px)", "bicubic", "nearest", "gain (dB)"]


def test_json_holds_every_pair_and_survives_perfect_results(make_original):
    path = make_original()
    truth = read_original(path, 4).float()
    run = run_benchmark({"perfect": lambda low_res: truth.expand(len(low_res), -1, -1, -1)}, [path], GAUSSIAN8)
    assert run.results[0].psnr_y == math.inf
    document = json.loads(make_json(run, "Made"))
    assert len(document["pairs"]) == 8
    assert document["pairs"][0]["psnr_y"] is None
    assert document["pairs"][0]["ssim_y"] == pytest.approx(1.0)
    assert document["protocol"]["description"][0].startswith("Protocol gaussian8 ×4")
    assert [mean["sigma_px"] for mean in document["means"]][-1] == "all"
