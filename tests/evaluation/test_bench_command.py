"""``nlcunet bench run``, as a user calls it."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from nlcunet.cli.bench import bench_app
from nlcunet.errors import ConfigError, DataError


def bench(*arguments):
    return CliRunner().invoke(bench_app, ["run", "--device", "cpu", *map(str, arguments)], env={"COLUMNS": "200"})


def test_table_has_protocol_bicubic_model_and_gain(make_original, tmp_path):
    make_original()
    result = bench("--images", tmp_path, "--model", "bicubic-x4")
    assert result.exit_code == 0, result.output
    assert "Protocol gaussian8 ×4, version 1" in result.stdout
    assert len(re.findall(r"^ +(all|\d\.\d\d) .*\+0\.00", result.stdout, re.MULTILINE)) == 9


@pytest.mark.parametrize(("scale", "models"), [(4, {"bicubic", "4x-NLCUnet-S"}), (3, {"bicubic"})])
def test_without_a_model_the_embedded_ones_of_the_scale_are_measured(make_original, tmp_path, scale, models):
    make_original()
    target = tmp_path / "results.json"
    arguments = ("--protocol", "gaussian8", "--scale", scale, "--sigmas", "1.8" if scale == 4 else "2.4")
    result = bench("--images", tmp_path, *arguments, "--json", target)
    assert result.exit_code == 0, result.output
    assert {pair["model"] for pair in json.loads(target.read_text(encoding="utf-8"))["pairs"]} == models


def test_tiles_are_named_in_the_table(make_original, tmp_path):
    make_original(height=200, width=160)
    result = bench("--images", tmp_path, "--protocol", "bicubic", "--model", "bicubic-x4", "--tile", 32)
    assert result.exit_code == 0, result.output
    assert "bicubic-x4 (tiles of 32)" in result.stdout
    assert "0.00" in result.stdout.splitlines()[-1]


def test_results_are_written_as_json(make_original, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        make_original(name)
    target = tmp_path / "results.json"
    result = bench("--images", tmp_path, "--limit", 2, "--sigmas", "1.8,3.2", "--json", target)
    assert result.exit_code == 0, result.output
    document = json.loads(target.read_text(encoding="utf-8"))
    assert document["protocol"]["sigmas_px"] == [1.8, 3.2]
    assert {pair["image"] for pair in document["pairs"]} == {"a.png", "b.png"}
    assert document["set"].endswith("the first 2")


def test_markdown_can_be_pasted(make_original, tmp_path):
    make_original()
    result = bench("--images", tmp_path, "--protocol", "bicubic", "--scale", 2, "--markdown")
    assert "| sigma (px) | bicubic |" in result.stdout
    assert "┃" not in result.stdout


def test_a_bad_file_is_named_and_exits_with_1(make_original, tmp_path):
    make_original()
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    result = bench("--images", tmp_path, "--protocol", "bicubic")
    assert result.exit_code == 1
    assert "Skipped: bad.png" in result.stdout
    assert "all" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--model", "bicubic-x2"], ConfigError, "protocol's scale 4: bicubic-x2 enlarges by 2"),
        (["--sigmas", "1.8;2"], ConfigError, "numbers between commas.*'1.8;2'"),
        (["--images", "nowhere"], DataError, "found no folder nowhere"),
    ],
)
def test_impossible_runs_end_in_an_error_of_the_tree(make_original, tmp_path, arguments, error, message):
    make_original()
    result = bench("--images", tmp_path, *arguments)
    assert isinstance(result.exception, error)
    assert re.search(message, str(result.exception))


def test_help_needs_neither_torch_nor_libvips():
    code = (
        "import sys; from typer.testing import CliRunner; from nlcunet.cli.bench import bench_app; "
        "r = CliRunner().invoke(bench_app, ['run', '--help']); assert r.exit_code == 0 and '--protocol' in r.output; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pyvips', 'numpy')))"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "COLUMNS": "200", "TERM": "dumb"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
