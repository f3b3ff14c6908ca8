"""Records come back as they were written, join, and never contradict each other in silence."""

import json
import math
from dataclasses import replace

import pytest

from nlcunet.errors import DataError
from nlcunet.evaluation.records import (
    PairRecord,
    Records,
    SetFacts,
    SystemFacts,
    join_records,
    read_records,
    write_parquet,
    write_records,
)

SET = SetFacts(
    name="Set5", protocol="gaussian8", version=1, scale=4, description=("Protocol …", "Input: …"), images=1, pairs=1
)
SYSTEM = SystemFacts(name="bicubic", system_kind="network", scale=4, architecture="Bicubic")
PAIR = PairRecord(
    set=SET.key,
    system="bicubic",
    image="baby ☀.png",
    kernel_index=0,
    degradation={"scale": 4, "jpeg_quality": None},
    low_res_sha256="ab",
    measures={"psnr_y": 30.25, "psnr_rgb": math.inf},
)
ALL = Records(sets=(SET,), systems=(SYSTEM,), pairs=(PAIR,))


def test_records_come_back_as_they_were_written(tmp_path):
    write_records(tmp_path / "records.jsonl", ALL)
    assert read_records([tmp_path / "records.jsonl"]) == ALL


def test_infinite_and_missing_values_are_told_apart(tmp_path):
    missing = replace(PAIR, measures={"psnr_y": math.inf, "niqe": math.nan, "ssim_y": 1.0})
    path = tmp_path / "records.jsonl"
    write_records(path, replace(ALL, pairs=(missing,)))
    assert json.loads(path.read_text().splitlines()[-1])["measures"] == {"psnr_y": "inf", "niqe": None, "ssim_y": 1.0}
    (back,) = read_records([path, path]).pairs
    assert back.measures["psnr_y"] == math.inf
    assert math.isnan(back.measures["niqe"])


def test_null_of_earlier_records_is_infinite_in_decibels_only(tmp_path):
    path = tmp_path / "records.jsonl"
    write_records(path, replace(ALL, pairs=(replace(PAIR, measures={"psnr_y": 1.0, "niqe": 2.0}),)))
    path.write_text(path.read_text().replace('"psnr_y": 1.0, "niqe": 2.0', '"psnr_y": null, "niqe": null'))
    (back,) = read_records([path]).pairs
    assert back.measures["psnr_y"] == math.inf
    assert math.isnan(back.measures["niqe"])


def test_runs_join_and_what_is_told_twice_counts_once(tmp_path):
    other = replace(SYSTEM, name="ours")
    write_records(tmp_path / "a.jsonl", ALL)
    write_records(tmp_path / "b.jsonl", Records(sets=(SET,), systems=(other,), pairs=(replace(PAIR, system="ours"),)))
    joined = read_records([tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "a.jsonl"])
    assert [system.name for system in joined.systems] == ["bicubic", "ours"]
    assert len(joined.pairs) == 2
    assert joined.sets == (SET,)


def test_runs_of_one_system_join_though_they_took_other_times_and_measured_other_things():
    measured = replace(SYSTEM, sha256="12", source="a.safetensors", machine="this one", seconds=0.5)
    again = replace(measured, source="b.safetensors", machine="that one", seconds=0.7)
    more = replace(PAIR, seconds=9.0, output_file="kept.png", measures={"psnr_y": 30.25, "niqe": 4.0})
    joined = join_records([SET, replace(measured, machine="", seconds=None), measured, again, PAIR, more])
    assert joined.systems == (measured,)
    assert joined.pairs == (replace(PAIR, measures={"psnr_y": 30.25, "psnr_rgb": math.inf, "niqe": 4.0}),)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (replace(SYSTEM, parameters=3), "bicubic is there twice with different values"),
        (replace(PAIR, measures={"psnr_y": 1.0}), "there twice with different values"),
        (replace(PAIR, system="unheard of"), "is not described"),
        (replace(PAIR, set="Set14 gaussian8 x4"), "is not described"),
    ],
)
def test_contradictions_are_refused(extra, message):
    with pytest.raises(DataError, match=message):
        join_records([SET, SYSTEM, PAIR, extra])


def test_systems_that_saw_other_pixels_are_not_compared():
    other = replace(SYSTEM, name="ours")
    with pytest.raises(DataError, match="same pixels only"):
        join_records([SET, SYSTEM, PAIR, other, replace(PAIR, system="ours", low_res_sha256="cd")])


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"kind": "poem"}', '{"kind": "pair", "stet": 1}', '{"kind": "set", "name": "Set5"}']
)
def test_damaged_lines_are_named(tmp_path, line):
    path = tmp_path / "records.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=r"records\.jsonl, line 2"):
        read_records([path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        read_records([tmp_path / "nowhere.jsonl"])


def test_pairs_go_into_parquet_where_pyarrow_is_there(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert write_parquet(tmp_path / "records.parquet", ALL)
    (row,) = parquet.read_table(tmp_path / "records.parquet").to_pylist()
    assert (row["measure_psnr_y"], row["measure_psnr_rgb"]) == (30.25, math.inf)
    assert (row["image"], row["degradation_scale"]) == ("baby ☀.png", 4)
