"""``nlcunet bench make``, ``run`` and ``table``, as a user calls them."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from nlcunet.cli.bench import bench_app
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation import cost, machine
from nlcunet.evaluation.records import read_records


def call(*arguments):
    return CliRunner().invoke(bench_app, [*map(str, arguments)], env={"COLUMNS": "200"})


def run(*arguments):
    return call("run", "--device", "cpu", "--no-cost", *arguments)


def done(result):
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_a_set_is_made_measured_twice_alike_and_shown(originals, tmp_path):
    target, first, second = tmp_path / "Set", tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    options = ("--images", originals, "--protocol", "gaussian8", "-s", 4, "--sigmas", "1.8,3.2", "--name", "Two")
    made = done(call("make", *options, "-o", target))
    assert re.search(r"Two gaussian8 x4, 2 originals, 4 pairs, [0-9a-f]{64}", made.stdout)
    done(run(target, "-m", "bicubic-x4", "-o", first))
    done(run(target, "-m", "bicubic-x4", "-o", second, "--no-cache"))
    one, other = read_records([first]), read_records([second])
    assert [p.measures for p in one.pairs] == [p.measures for p in other.pairs]
    assert one.pairs[0].low_res_file == "Set/LR/a_k0.png"
    third = tmp_path / "third.jsonl"
    done(run(target, "-m", "bicubic-x4", "-o", third))
    assert third.read_bytes() == first.read_bytes()
    shown = done(call("table", first, second))
    assert "Protocol gaussian8 ×4, version 1 (a part of it)" in shown.stdout
    assert re.search(r"bicubic-x4 .*\+0\.00 \(p 1\.000\)", shown.stdout)
    for table_format in ("markdown", "csv", "latex"):
        assert "bicubic-x4" in done(call("table", first, "--format", table_format)).stdout
    for by in ("image", "sigma", "degradation"):
        assert "bicubic" in done(call("table", first, "--by", by)).stdout
    assert "DANv2 (published)" not in done(call("table", first, "--published")).stdout  # the set is no published one


def test_outputs_kept_can_be_measured_as_pictures_of_another_program(small_set, tmp_path):
    done(run(small_set, "-m", "bicubic-x4", "--keep-outputs", tmp_path / "kept", "-o", tmp_path / "a.jsonl"))
    theirs = f"theirs={tmp_path / 'kept' / 'bicubic-x4' / 'small'}"
    done(run(small_set, "--no-bicubic", "--pictures", theirs, "-o", tmp_path / "b.jsonl"))
    joined = read_records([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    scores = {name: [p.measures for p in joined.pairs if p.system == name] for name in ("bicubic-x4", "theirs")}
    assert scores["theirs"] == scores["bicubic-x4"]
    assert (tmp_path / joined.pairs[0].output_file).is_file()


def test_costs_stand_in_the_table(small_set, monkeypatch):
    monkeypatch.setattr(cost, "peak_mib", lambda *_: 12.3)
    monkeypatch.setattr(machine, "matrix_rate_gflops", lambda **_: 42.0)
    result = done(call("run", "--device", "cpu", small_set, "--cost-size", 16, "-m", "bicubic-x4"))
    assert "GFLOP" in result.stdout
    assert re.search(r"bicubic-x4 .* 16×16 .* 12 ", result.stdout)
    assert "42 GFLOP/s" in result.stdout


def test_originals_are_measured_on_the_fly_with_a_row_for_each_blur(make_original, tmp_path):
    make_original()
    result = done(run("--images", tmp_path, "--model", "bicubic-x4"))
    assert "Protocol gaussian8 ×4, version 1" in result.stdout
    assert "PSNR Y (dB): difference to bicubic" in result.stdout
    assert len(re.findall(r"^ (?:all|\d\.\d\d) +│", result.stdout, re.MULTILINE)) == 9


@pytest.mark.parametrize(
    ("scale", "models"),
    [
        (4, {"bicubic", *(f"4x-NLCUnet-S{kind}" for kind in ("", "-Anisotropic", "-Photo", "-Photo-GAN"))}),
        (3, {"bicubic", "3x-NLCUnet-S"}),
    ],
)
def test_without_a_model_the_embedded_ones_of_the_scale_are_measured(make_original, tmp_path, scale, models):
    make_original()
    target = tmp_path / "results.jsonl"
    sigmas = "1.8" if scale == 4 else "2.4"
    done(run("--images", tmp_path, "--protocol", "gaussian8", "-s", scale, "--sigmas", sigmas, "-o", target))
    assert {pair.system for pair in read_records([target]).pairs} == models


def test_tiles_are_named(make_original, tmp_path):
    make_original(height=200, width=160)
    result = done(run("--images", tmp_path, "--protocol", "bicubic", "--model", "bicubic-x4", "--tile", 32))
    assert re.search(r"bicubic-x4 \(tiles of 32\) .*\+0\.00", result.stdout)


def test_parquet_has_json_lines_beside_it(make_original, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("a.png", "b.png", "c.png"):
        make_original(name)
    target = tmp_path / "results.parquet"
    done(run("--images", tmp_path, "--limit", 2, "--sigmas", "1.8,3.2", "-o", target))
    assert {row["image"] for row in parquet.read_table(target).to_pylist()} == {"a.png", "b.png"}
    found = read_records([target.with_suffix(".jsonl")])
    assert found.sets[0].name.endswith("the first 2")


def test_markdown_can_be_pasted(make_original, tmp_path):
    make_original()
    result = done(run("--images", tmp_path, "--protocol", "bicubic", "--scale", 2, "--markdown"))
    assert "| system | " in result.stdout
    assert "━" not in result.stdout


def test_a_bad_file_is_named_and_exits_with_1(make_original, tmp_path):
    make_original()
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    result = run("--images", tmp_path, "--protocol", "bicubic")
    assert result.exit_code == 1
    assert "skipped: bad.png" in result.stderr
    assert "PSNR Y" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--model", "bicubic-x2"], ConfigError, "protocol's scale 4: bicubic-x2 enlarges by 2"),
        (["--sigmas", "1.8;2"], ConfigError, "numbers between commas.*'1.8;2'"),
        (["--images", "nowhere"], DataError, "found no folder nowhere"),
        (["--measures", "beauty"], ConfigError, "measures must be among .*: got beauty"),
        (["--measure-weights", "lpips=x"], ConfigError, "NAME=FILE with one of .*: got 'lpips=x'"),
        (["-o", "records.txt"], ConfigError, r"\.jsonl or \.parquet file: got records\.txt"),
        (["-o", "nowhere/records.jsonl"], ConfigError, "found no nowhere; create it"),
        (["--pictures", "theirs=."], ConfigError, "need inputs on disk"),
        (["no-set"], ConfigError, "either folders of sets, or --images"),
    ],
)
def test_impossible_runs_end_in_an_error_of_the_tree(make_original, tmp_path, arguments, error, message):
    make_original()
    result = run("--images", tmp_path, *arguments)
    assert isinstance(result.exception, error)
    assert re.search(message, str(result.exception))


def test_sets_that_do_not_match_are_refused_before_anything_is_measured(small_set, originals, tmp_path):
    other = tmp_path / "x2"
    done(call("make", "--images", originals, "--protocol", "bicubic", "-s", 2, "-o", other))
    mixed = run(small_set, other)
    assert isinstance(mixed.exception, ConfigError)
    assert "of one scale: got [2, 4]" in str(mixed.exception)
    nothing = run(small_set, "--no-bicubic", "-m", "bicubic-x2")
    assert "choose another model, or sets of ×2" in str(nothing.exception)
    (small_set / "LR" / "b_k0.png").write_bytes(b"damaged")
    damaged = run(small_set)
    assert isinstance(damaged.exception, DataError)
    assert "has changed" in str(damaged.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "html"], "format must be one of screen, markdown, csv, latex: got 'html'"),
        (["--by", "colour"], "rows can be by image, sigma, degradation: got 'colour'"),
        (["--by", "image", "--format", "csv"], "leave --by out"),
        (["--measures", "lpips"], "got 'lpips'; measure it"),
        (["--baseline", "DAN"], "one of bicubic: got 'DAN'"),
    ],
)
def test_impossible_tables_end_in_an_error_of_the_tree(small_set, tmp_path, arguments, message):
    done(run(small_set, "-m", "T=bicubic-x4", "--no-bicubic", "-o", tmp_path / "a.jsonl"))
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8").replace('"T"', '"bicubic"')
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    result = call("table", tmp_path / "a.jsonl", *arguments)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_records_are_json_lines(small_set, tmp_path):
    done(run(small_set, "-m", "bicubic-x4", "-o", tmp_path / "a.jsonl"))
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert kinds == ["set", "system", "system", *["pair"] * 8]


@pytest.mark.parametrize(("command", "option"), [("make", "--seed"), ("run", "--protocol"), ("table", "--baseline")])
def test_help_needs_neither_torch_nor_libvips(command, option):
    code = (
        "import sys; from typer.testing import CliRunner; from nlcunet.cli.bench import bench_app; "
        f"r = CliRunner().invoke(bench_app, ['{command}', '--help']); "
        f"assert r.exit_code == 0 and '{option}' in r.output; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pyvips', 'numpy')))"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "COLUMNS": "200", "TERM": "dumb"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
