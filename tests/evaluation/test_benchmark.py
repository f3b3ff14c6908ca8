"""Benchmark runs: the right numbers, the same numbers, and nothing measured twice."""

import math
from dataclasses import replace

import pytest
import torch

from nlcunet.degradations.pipeline import apply_records
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation import benchmark
from nlcunet.evaluation.benchmark import RunOptions, run_benchmark
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.originals import read_original
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.sets import open_set, set_on_the_fly
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.psnr import psnr_y
from nlcunet.metrics.ssim import ssim_y
from nlcunet.runtime import thread_limit

OPTIONS = RunOptions(measures=find_measures(("psnr_y", "ssim_y")))


def test_there_is_one_record_for_each_set_system_and_pair(small_set, counting):
    systems = [counting("bicubic").system, counting("other").system]
    done = run_benchmark([open_set(small_set)], systems, OPTIONS)
    keys = [(one.system, one.image, one.kernel_index) for one in done.pairs]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2
    assert [one.name for one in done.systems] == ["bicubic", "other"]
    assert done.pairs[0].low_res_file == str(small_set / "LR" / "a_k0.png")
    assert done.pairs[0].high_res_file == str(small_set / "HR" / "a.png")


def test_numbers_are_what_the_protocol_says(originals, small_set, counting):
    done = run_benchmark([open_set(small_set)], [counting().system], OPTIONS)
    truth = read_original(originals / "a.png", 4)
    protocol = find_protocol("gaussian8", 4, (1.8, 3.2))
    for (index, record), found in zip(protocol.records("a.png"), done.pairs[:2], strict=True):
        output = resize_bicubic(apply_records(truth, [record]).float(), 48, 44)
        assert (found.kernel_index, found.degradation) == (index, record.to_dict())
        assert found.measures["psnr_y"] == pytest.approx(psnr_y(output, truth, border=4).item(), abs=1e-6)
        assert found.measures["ssim_y"] == pytest.approx(ssim_y(output, truth, border=4).item(), abs=1e-9)
    assert done.pairs[0].measures["psnr_y"] > done.pairs[1].measures["psnr_y"]


def test_on_the_fly_and_on_disk_give_the_same_numbers(originals, small_set, counting):
    protocol = find_protocol("gaussian8", 4, (1.8, 3.2))
    flying = set_on_the_fly(tuple(sorted(originals.iterdir())), protocol, "Small")
    first, second = (run_benchmark([one], [counting().system], OPTIONS).pairs for one in (open_set(small_set), flying))
    assert [one.measures for one in first] == [one.measures for one in second]
    assert [one.low_res_sha256 for one in first] == [one.low_res_sha256 for one in second]
    assert second[0].low_res_file == ""


def test_a_second_run_measures_nothing_and_tells_the_same(small_set, counting, tmp_path):
    options = replace(OPTIONS, cache=tmp_path / "cache")
    first = run_benchmark([open_set(small_set)], [counting().system], options)
    again = counting()
    assert run_benchmark([open_set(small_set)], [again.system], options) == first
    assert again.calls == []


def test_without_the_cache_numbers_are_the_same_to_the_last_bit(small_set, counting):
    first, second = (run_benchmark([open_set(small_set)], [counting().system], OPTIONS).pairs for _ in range(2))
    assert [one.measures for one in first] == [one.measures for one in second]


def test_an_interrupted_run_goes_on_where_it_was_with_the_same_numbers(small_set, counting, tmp_path):
    whole = run_benchmark([open_set(small_set)], [counting().system], OPTIONS)
    options = replace(OPTIONS, cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        run_benchmark([open_set(small_set)], [counting(fail_at=1).system], options)
    # The last line of an interrupted run may be cut; what is left of it is no result.
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes() + b'{"kind": "pair", "set"')
    rest = counting()
    done = run_benchmark([open_set(small_set)], [rest.system], options)
    assert rest.calls == [["b_k0", "b_k7"]]
    assert [one.measures for one in done.pairs] == [one.measures for one in whole.pairs]
    last = counting()
    assert run_benchmark([open_set(small_set)], [last.system], options) == done
    assert last.calls == []


def test_of_two_runs_at_the_same_time_the_first_result_stays(small_set, counting, tmp_path):
    options = replace(OPTIONS, cache=tmp_path / "cache")
    first = run_benchmark([open_set(small_set)], [counting().system], options)
    (file,) = (tmp_path / "cache").iterdir()
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines) + "".join(line.replace('"seconds": ', '"seconds": 9') for line in lines))
    assert run_benchmark([open_set(small_set)], [counting().system], options) == first


def test_other_weights_measures_or_sets_are_measured_anew(originals, small_set, counting, tmp_path):
    options = replace(OPTIONS, cache=tmp_path / "cache")
    run_benchmark([open_set(small_set)], [counting().system], options)
    others = counting()
    run_benchmark([open_set(small_set)], [replace(others.system, identity="other weights")], options)
    assert len(others.calls) == 2
    more = counting()
    run_benchmark([open_set(small_set)], [more.system], replace(options, measures=find_measures(("psnr_rgb",))))
    assert len(more.calls) == 2
    threaded = counting()
    with thread_limit(torch.get_num_threads() + 1):
        run_benchmark([open_set(small_set)], [threaded.system], options)
    assert len(threaded.calls) == 2
    fewer = counting()
    only_one = replace(options, measures=find_measures(("ssim_y",)))
    flying = set_on_the_fly((originals / "a.png",), find_protocol("bicubic", 4), "Small")
    run_benchmark([flying], [fewer.system], only_one)
    assert len(fewer.calls) == 1


def test_large_originals_are_measured_in_fixed_groups(small_set, counting, monkeypatch):
    at_once = run_benchmark([open_set(small_set)], [counting().system], OPTIONS).pairs
    monkeypatch.setattr(benchmark, "PAIR_PIXELS", 48 * 44)
    one_by_one = counting()
    apart = run_benchmark([open_set(small_set)], [one_by_one.system], OPTIONS).pairs
    assert one_by_one.calls == [["a_k0"], ["a_k7"], ["b_k0"], ["b_k7"]]
    assert [p.measures["psnr_y"] for p in apart] == pytest.approx([p.measures["psnr_y"] for p in at_once])


def test_wrong_sizes_and_numbers_that_are_not_finite_are_refused(small_set, counting):
    with pytest.raises(ConfigError, match=r"scale 4: bicubic made \(24, 22\) of \(12, 11\)"):
        run_benchmark([open_set(small_set)], [counting(scale=2).system], OPTIONS)
    with pytest.raises(DataError, match=r"finite numbers: bicubic gave infinities or NaN for a\.png"):
        run_benchmark([open_set(small_set)], [counting(gain=math.inf).system], OPTIONS)


def test_sets_that_cannot_be_told_apart_are_refused(small_set, counting, tmp_path):
    one = open_set(small_set)
    with pytest.raises(ConfigError, match="two are called Small gaussian8 x4"):
        run_benchmark([one, one], [counting().system], OPTIONS)
    other = replace(one, facts=replace(one.facts, name="Other"))
    with pytest.raises(ConfigError, match="folder names where files are kept of their own: two are called small"):
        run_benchmark([one, other], [counting().system], replace(OPTIONS, outputs=tmp_path / "out"))


def test_outputs_are_kept_where_asked_and_made_again_where_missing(small_set, counting, tmp_path):
    options = replace(OPTIONS, cache=tmp_path / "cache", outputs=tmp_path / "out")
    done = run_benchmark([open_set(small_set)], [counting("my net/2").system], options)
    file = tmp_path / "out" / "my_net_2" / "small" / "a_k0.png"
    assert done.pairs[0].output_file == str(file)
    before = file.read_bytes()
    file.unlink()
    again = counting("my net/2")
    assert run_benchmark([open_set(small_set)], [again.system], options).pairs[0].measures == done.pairs[0].measures
    assert again.calls == [["a_k0", "a_k7"]]
    assert file.read_bytes() == before


def test_progress_counts_every_pair_once(small_set, counting):
    seen = []
    options = replace(OPTIONS, on_pairs_done=lambda system, count: seen.append((system.facts.name, count)))
    run_benchmark([open_set(small_set)], [counting("a").system, counting("b").system], options)
    assert sum(count for _, count in seen) == 8
    assert {name for name, _ in seen} == {"a", "b"}


def test_a_perfect_copy_is_infinitely_good(small_set, counting):
    measured = open_set(small_set)
    truth = measured.load("a.png").truth.float()
    perfect = replace(counting().system, enlarge=lambda pairs: truth.expand(len(pairs), -1, -1, -1))
    only_a = replace(measured, images={"a.png": measured.images["a.png"]})
    done = run_benchmark([only_a], [perfect], OPTIONS)
    assert done.pairs[0].measures["psnr_y"] == math.inf
    assert done.pairs[0].measures["ssim_y"] == pytest.approx(1.0)
    assert torch.isfinite(truth).all()
