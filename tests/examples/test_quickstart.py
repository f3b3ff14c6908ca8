"""The notebook runs from top to bottom, and is kept without outputs."""

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def notebook():
    return json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def shown(monkeypatch):
    """Stands in for IPython, which every notebook has and the tests need not: the pictures that cells show."""
    pictures = []
    display = ModuleType("IPython.display")
    display.Image = lambda path, **_: pictures.append(Path(path))
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return pictures


def test_it_is_kept_without_outputs(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_it_runs_from_top_to_bottom(notebook, shown, tmp_path, monkeypatch):
    for name in ("anhinga.png", "anhinga_original.webp"):
        shutil.copy(EXAMPLES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in code_cells(notebook):
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102 - our own notebook
    lines = printed.getvalue().splitlines()
    errors = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(("bicubic: ", "nlcunet: "))]
    assert errors[1] < errors[0]
    assert "(1760, 1280, 3) uint8" in lines
    assert lines[-1] == "(96, 128, 3) → (384, 512, 3) and (240, 320, 3)"
    assert shown == [Path("anhinga.png"), Path("anhinga_x4.png")]
    assert Path("my-photo-large.jpg").stat().st_size > 10_000
