"""``nlcunet bench report`` from the command line."""

import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app


@pytest.fixture
def bench_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["bench", "report", *map(str, arguments)])


def test_records_become_a_page(bench_report, make_records, tmp_path):
    path = make_records(images=2, keep=True)
    result = bench_report(path, "-o", "page.html", "--title", "Ours & theirs", "--crop", 32)
    assert result.exit_code == 0, result.output
    assert "report: page.html" in result.stderr
    assert "4 places shown" in result.stderr
    assert "<title>Ours &amp; theirs</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_did_not_fit_is_told(bench_report, make_records):
    result = bench_report(make_records(images=2, keep=True), "--max-mb", 0.01)
    assert result.exit_code == 0
    assert "0 places shown" in result.stderr
    assert "4 places left out to stay below 0.01 MB" in result.stderr


def test_broken_pictures_leave_exit_code_1(bench_report, make_records, tmp_path):
    path = make_records(images=2, keep=True)
    (tmp_path / "kept/drawn-gaussian8-4/HR/0.png").unlink()
    result = bench_report(path, "-o", "page.html", "--crop", 32)
    assert result.exit_code == 1
    assert "not shown: " in result.stderr
    assert (tmp_path / "page.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.jsonl"], "records must be a file of nlcunet bench run"),
        (["records.jsonl", "-o", "page.pdf"], "a report must be an .html file"),
        (["records.jsonl", "--baseline", "dan"], "the baseline must be one of bicubic, sharpened"),
    ],
)
def test_what_cannot_be_is_refused(bench_report, make_records, tmp_path, arguments, words):
    make_records(images=1)
    result = bench_report(*arguments)
    assert isinstance(result.exception, BaseException)
    assert words in f"{result.output} {result.exception}"
    assert not list(tmp_path.glob("*.html"))
