"""What is published: the wheel has the package and nothing else, the sdist what a wheel is built from."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "nlcunet"
ENDINGS = set(".py .typed .csv .css .js .html .svg .yaml .webp .npz .safetensors".split())  # noqa: SIM905
DATA = (
    "py.typed",
    "data/fetching/open_photos.csv",
    "evaluation/published.csv",
    "evaluation/report/assets/report.js",
    "experiments/study/page/index.html",
    "experiments/variants/files/attention.yaml",
    "export/anhinga.webp",
    "metrics/niqe_photographs.npz",
    "recipes/nlcunet_s_x4_isotropic.yaml",
    "server/page/files/page.html",
    "weights/4x-NLCUnet-S.safetensors",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and sdist, built without any download."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def package_files():
    return {
        f"nlcunet/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_package_with_its_data_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    assert len(names) == len(set(names))
    ours = {name for name in names if not re.match(r"nlcunet-[\d.]+\w*\.dist-info/", name)}
    assert ours == package_files()
    assert {Path(name).suffix for name in ours - {"nlcunet/py.typed"}} <= ENDINGS
    assert {f"nlcunet/{name}" for name in DATA} <= ours
    assert {name.partition("/")[2] for name in set(names) - ours} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_sdist_has_what_a_wheel_is_built_from_and_nothing_else(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    sources = {name for name in names if name.startswith("src/")}
    assert sources == {f"src/{name}" for name in package_files()}
    assert names - sources == {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def test_what_an_index_shows_is_there(built):
    with zipfile.ZipFile(built[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        told = email.message_from_string(wheel.read(name).decode())
    assert told["Name"] == "nlcunet"
    assert told["Description-Content-Type"] == "text/markdown"
    assert "Apache-2.0" in told["License-Expression"]
    assert "# nlcunet" in told.get_payload()
    assert {"train", "serve", "export"} <= set(told.get_all("Provides-Extra"))


def test_the_wheel_is_installed_and_enlarges_a_picture(built):
    command = [sys.executable, Path(__file__).with_name("install_wheel.py"), built[0], "--borrow"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "24×16 pixels became 96×64" in done.stdout
