"""A real S3 protocol: s3fs against moto's server, where both are installed."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nlcunet.cli.app import app
from nlcunet.imaging.files import read_header

from .conftest import picture_bytes

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``s3://bucket`` with two pictures and something else."""
    import s3fs

    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("bucket")
    store.pipe_file("bucket/in/a.png", picture_bytes(0))
    store.pipe_file("bucket/in/deep//b.png", picture_bytes(1))
    store.pipe_file("bucket/in/bad.png", b"nonsense")
    yield store
    s3fs.S3FileSystem.clear_instance_cache()
    moto.stop()


def test_a_bucket_is_read_written_and_taken_up_again(bucket: Any, tmp_path: Path) -> None:
    command = ["upscale", "-m", "bicubic-x2", "s3://bucket/in/", "-r", "-o", "s3://bucket/out/"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 1, first.stderr
    assert "s3://bucket/in/bad.png: failed: a picture must be one of png" in first.stderr
    assert "2 done, 1 failed" in first.stderr
    assert bucket.find("bucket/out") == ["bucket/out/a.png", "bucket/out/deep/b.png", "bucket/out/manifest.jsonl"]
    bucket.get_file("bucket/out/deep/b.png", str(tmp_path / "b.png"))
    assert read_header(tmp_path / "b.png").width == 32
    second = CliRunner().invoke(app, command)
    assert "2 skipped, 1 failed" in second.stderr


def test_a_bucket_that_is_not_there_is_told(bucket: Any) -> None:
    result = CliRunner().invoke(app, ["upscale", "-m", "bicubic-x2", "s3://none/in/", "-o", "s3://bucket/out/"])
    assert result.exit_code == 2
    assert "found none in s3://none/in/" in result.stderr
    result = CliRunner().invoke(app, ["upscale", "-m", "bicubic-x2", "s3://bucket/in/a.png", "-o", "s3://none/out/"])
    assert result.exit_code == 2
    assert "the manifest must be written: got FileNotFoundError for s3://none/out/manifest.jsonl" in result.stderr
