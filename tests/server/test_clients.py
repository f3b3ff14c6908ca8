"""The short clients of docs/rest.md, each against a server; curl is run with the other commands of the pages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nlcunet.imaging.files import read_header

from .conftest import picture_bytes
from .test_process import Served

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("server") / "served")
    yield served.address
    served.process.terminate()
    served.process.wait(60)


def run_client(language, command, address, folder, data):
    """Runs the client on the page that is written in a language, beside a photograph."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    assert "http://127.0.0.1:7860" in code
    script = folder / ("client.py" if language == "python" else "client.mjs")
    script.write_text(code.replace("http://127.0.0.1:7860", address), encoding="utf-8")
    (folder / "photo.jpg").write_bytes(data)
    return subprocess.run([command, script.name], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("language", "command"),
    [
        ("python", sys.executable),
        pytest.param("js", NODE, marks=pytest.mark.skipif(NODE is None, reason="Node.js is not installed")),
    ],
)
def test_each_client_sends_a_picture_and_is_told_of_a_refusal(language, command, address, tmp_path):
    done = run_client(language, command, address, tmp_path, picture_bytes(12, 16, file_format="jpeg"))
    assert done.returncode == 0, done.stderr
    header = read_header(tmp_path / "photo_x4.jpg")
    assert (header.width, header.height, header.format) == (64, 48, "jpeg")
    refused = run_client(language, command, address, tmp_path, b"text")
    assert refused.returncode != 0
    assert "415" in refused.stderr or "not_a_picture" in refused.stderr
