"""The protocols photo and photo-other: conditions with names, the same for ever, through all commands."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nlcunet.cli.bench import bench_app
from nlcunet.degradations.pipeline import apply_records, blur_and_shrink
from nlcunet.degradations.presets import find_preset
from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.steps import Mosaic, Resize, WebP
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.manifests import read_set_manifest, told_fields, write_set_manifest
from nlcunet.evaluation.measures import find_measures
from nlcunet.evaluation.photo import CONDITIONS
from nlcunet.evaluation.picture_kinds import read_kinds, split_by_kind
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.records import PairRecord, Records, SetFacts, SystemFacts, read_records
from nlcunet.evaluation.table_conditions import by_condition, gain
from nlcunet.imaging.files import read_picture

NAMES = {
    "photo": [
        "gaussian",
        "bicubic",
        "anisotropic",
        "jpeg80",
        "jpeg50",
        "noise5",
        "noise15",
        "second-order",
        "phone",
        "area85",
        "lanczos85",
    ],
    "photo-other": ["raw", "camera", "moved", "website", "messenger", "edited"],
}


def call(*arguments):
    result = CliRunner().invoke(bench_app, [*map(str, arguments)], env={"COLUMNS": "220"})
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def record_of(protocol, condition, image="a.png"):
    return next(record for index, record in protocol.records(image) if protocol.condition(index) == condition)


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_each_condition_once_drawn_from_the_name_and_told_in_the_description(name, scale):
    protocol = find_protocol(name, scale)
    pairs = protocol.records("a.png")
    assert [protocol.condition(index) for index, _ in pairs] == NAMES[name]
    assert pairs == find_protocol(name, scale).records("a.png")
    assert [record.to_dict() for _, record in pairs] != [r.to_dict() for _, r in protocol.records("b.png")]
    assert pairs != find_protocol(name, scale, seed=1).records("a.png")
    assert all(f"{condition} (" in protocol.description()[1] for condition in NAMES[name])
    image = torch.rand(1, 3, 24 * scale, 20 * scale, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    low_res = apply_records(image.expand(len(pairs), -1, -1, -1), [record for _, record in pairs])
    assert low_res.shape == (len(pairs), 3, 24, 20)
    assert len({picture.numpy().tobytes() for picture in low_res}) == len(pairs)
    for (_, record), picture in zip(pairs, low_res, strict=True):
        again = apply_records(image, [DegradationRecord.from_dict(record.to_dict())])
        assert torch.equal(again[0], picture)


def test_sigmas_fall_with_the_scale_and_shared_conditions_are_those_of_other_protocols():
    photo = find_protocol("photo", 4)
    assert record_of(photo, "gaussian") == find_protocol("gaussian8", 4, (2.6,)).records("a.png")[0][1]
    assert record_of(photo, "bicubic") == find_protocol("bicubic", 4).records("a.png")[0][1]
    anisotropic = record_of(photo, "anisotropic")
    assert anisotropic.kernel_size_px == find_preset("anisotropic", 4).kernels.size_px
    assert [record_of(find_protocol("photo", scale), "gaussian").sigma_px for scale in (2, 3)] == pytest.approx(
        [1.3, 1.95]
    )
    assert record_of(find_protocol("photo", 2), "jpeg80").steps[0].sigma_x_px == 0.75
    grids = {record_of(photo, "jpeg80", f"{number}.png").steps[-1].grid_top for number in range(40)}
    assert len(grids) > 10


def test_other_chains_use_what_training_never_draws():
    steps = [step for _, record in find_protocol("photo-other", 4).records("a.png") for step in record.steps]
    assert any(isinstance(step, Mosaic) for step in steps)
    assert any(isinstance(step, WebP) for step in steps)
    assert any(isinstance(step, Resize) and step.kernel == "mitchell" for step in steps)


def test_the_draws_are_those_of_version_1():
    # Written down when version 1 was made: other numbers would be another protocol.
    second_order = record_of(find_protocol("photo", 4), "second-order")
    assert (second_order.seed, second_order.steps[3].quality, second_order.steps[5].kernel) == SECOND_ORDER
    messenger = record_of(find_protocol("photo-other", 4), "messenger")
    assert (messenger.seed, round(messenger.steps[0].size, 6)) == MESSENGER


SECOND_ORDER = (147413387679297, 61, "area")
MESSENGER = (33255407290626, 1.101131)


def test_manifests_keep_chains_and_their_checksum_leaves_out_what_a_step_does_not_say(originals, tmp_path):
    target = tmp_path / "Set"
    made = call("make", "--images", originals, "--protocol", "photo-other", "-s", 4, "-o", target)
    manifest = read_set_manifest(target)
    assert manifest.content_sha256 in made
    assert [pair.degradation for pair in manifest.pairs[:6]] == [
        record for _, record in manifest.protocol.records("a.png")
    ]
    assert told_fields(manifest.pairs[0].degradation)["steps"][-1] == {"kind": "mosaic"}
    before = (target / "manifest.json").read_bytes()
    write_set_manifest(target, manifest)
    assert (target / "manifest.json").read_bytes() == before
    with np.load(target / "kernels.npz") as kernels:
        assert kernels["a_k0"].shape == (1, 1)


def test_the_inputs_on_disk_are_those_made_on_the_fly(originals, tmp_path):
    call("make", "--images", originals, "--protocol", "photo", "-s", 4, "-o", tmp_path / "Set")
    for name, arguments in (("disk", [tmp_path / "Set"]), ("fly", ["--images", originals, "--protocol", "photo"])):
        call("run", "--no-cost", *arguments, "-m", "bicubic-x4", "--no-cache", "-o", tmp_path / f"{name}.jsonl")
    disk, fly = (read_records([tmp_path / f"{name}.jsonl"]) for name in ("disk", "fly"))
    assert [one.low_res_sha256 for one in disk.pairs] == [one.low_res_sha256 for one in fly.pairs]
    assert [one.condition for one in disk.pairs[:11]] == NAMES["photo"]


def test_tables_and_reports_name_the_conditions(originals, tmp_path):
    records, page = tmp_path / "records.jsonl", tmp_path / "page.html"
    call("make", "--images", originals, "--protocol", "photo", "-s", 4, "-o", tmp_path / "Set", "--name", "Two")
    options = ("--no-cost", "-m", "bicubic-x4", "--keep-outputs", tmp_path / "kept", "--measures", "psnr_y,consistency")
    call("run", tmp_path / "Set", *options, "-o", records)
    shown = call("table", records, "--by", "degradation", "--measures", "psnr_y")
    assert "Two: PSNR Y (dB): difference to bicubic [95 % interval]" in shown
    for name in (*NAMES["photo"], "all"):
        assert re.search(rf"^ {name} +│ +\+0\.00 \[\+0\.00, \+0\.00\]", shown, re.MULTILINE)
    kinds = tmp_path / "kinds.csv"
    with kinds.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "kind"), ("a.png", "valid", "photo"), ("x/b.png", "", "art")])
    apart = call("table", records, "--by", "degradation", "--kinds", kinds)
    assert "Two (photo): PSNR Y (dB)" in apart
    assert "Two (art): PSNR Y (dB)" in apart
    assert "Two (photo), 1 image, 11 pairs; Two (art), 1 image, 11 pairs" in apart
    assert "Two (art)" in call("table", records, "--kinds", kinds)
    for table_format in ("markdown", "latex"):
        assert "lanczos85" in call("table", records, "--by", "degradation", "--format", table_format)
    call("report", records, "-o", page)
    markup = page.read_text(encoding="utf-8")
    assert "second-order: blur " in markup or "phone: blur " in markup or "jpeg50: blur " in markup
    assert "Two: PSNR Y (dB): difference to bicubic [95 % interval]" in markup


def test_parquet_takes_chains(originals, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    options = ("--protocol", "photo-other", "-m", "bicubic-x4", "--no-cost")
    call("run", "--images", originals, *options, "-o", tmp_path / "r.parquet")
    assert parquet.read_table(tmp_path / "r.parquet").column("condition").to_pylist()[:6] == NAMES["photo-other"]


def test_consistency_repeats_blurs_and_reductions_of_a_chain_only(originals):
    record = record_of(find_protocol("photo-other", 4), "moved")
    image = torch.from_numpy(read_picture(originals / "a.png").pixels[:48, :44] / 255).permute(2, 0, 1)[None]
    low_res = apply_records(image, [record])
    linear = DegradationRecord(scale=4, steps=record.steps[:2])
    rounded = apply_records(image, [linear])
    again = blur_and_shrink(image, record)
    assert (again.clamp(0, 1) - rounded).abs().max() <= 0.5 / 255 + 1e-9
    (consistency,) = find_measures(["consistency"])
    clean, damaged = (consistency.score(image, None, one, [record]).item() for one in (rounded, low_res))
    assert clean > 55
    assert clean > damaged + 10


def test_gains_pair_results_and_say_how_sure_they_are():
    def result(system, image, index, psnr):
        return PairRecord(
            set="S photo x4",
            system=system,
            image=image,
            kernel_index=index,
            condition=NAMES["photo"][index],
            degradation={},
            low_res_sha256="",
            measures={"psnr_y": psnr},
        )

    bicubic = [result("bicubic", f"{n}.png", index, 20.0 + n) for n in range(6) for index in (1, 0)]
    ours = [result("ours", f"{n}.png", index, 20.5 + n + 0.1 * n * index) for n in range(6) for index in (0, 1)]
    assert list(by_condition(bicubic)) == ["gaussian", "bicubic", "all"]
    found = gain(by_condition(ours)["bicubic"], by_condition(bicubic)["bicubic"], "psnr_y")
    assert found.mean == pytest.approx(0.75)
    assert found.interval.low < 0.75 < found.interval.high
    assert gain(ours, bicubic[:0], "psnr_y") is None
    assert gain(ours[:1], bicubic, "psnr_y").interval is None


def kinds_file(tmp_path, text):
    path = tmp_path / "kinds.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,kind\na.png,photo\n", "columns file and kind"),
        ("file,kind\n", "names none"),
        ("file,kind\na.png,photo\na.png,art\n", "a.png as photo, art"),
        ("file,kind\na.png,\n", "must have a file and a kind"),
    ],
)
def test_lists_of_kinds_that_say_nothing_are_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_kinds(kinds_file(tmp_path, text))


def test_a_list_of_other_pictures_is_refused_and_a_missing_one(tmp_path):
    facts = SetFacts(name="S", protocol="photo", version=1, scale=4, description=("d",), images=1, pairs=1)
    pair = PairRecord(set=facts.key, system="bicubic", image="a.png", kernel_index=0, degradation={}, low_res_sha256="")
    systems = (SystemFacts(name="bicubic", system_kind="network", scale=4),)
    records = Records(sets=(facts,), systems=systems, pairs=(pair, replace(pair, image="b.png")))
    with pytest.raises(DataError, match="names none of them"):
        split_by_kind(records, {"c.png": "photo"})
    split = split_by_kind(records, {"a.png": "photo"})
    assert [(one.name, one.images) for one in split.sets] == [("S (photo)", 1), ("S (other)", 1)]
    with pytest.raises(DataError, match="can be read"):
        read_kinds(tmp_path / "none.csv")


def test_sigmas_cannot_be_chosen():
    with pytest.raises(ConfigError, match="for gaussian8 only"):
        find_protocol("photo", 4, (2.6,))
