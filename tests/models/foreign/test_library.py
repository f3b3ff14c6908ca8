"""spandrel is imported where torchvision is missing or of another build, and the stand-ins do not stay."""

import sys
import textwrap

import pytest

from nlcunet.errors import ConfigError
from nlcunet.models.foreign.library import import_spandrel

LIBRARY = """
from torchvision.transforms.functional import InterpolationMode, rotate
import importlib.util, sys
assert importlib.util.find_spec("torchvision") is not None
seen = sys.modules["torchvision"]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that modules are found in first; what the tests import is forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(sys.modules)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"spandrel", "torchvision"}]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "spandrel.py").write_text(textwrap.dedent(LIBRARY))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in {"spandrel", "torchvision"}]:
        del sys.modules[name]
    sys.modules.update(before)


def write_torchvision(place, code):
    (place / "torchvision" / "transforms").mkdir(parents=True)
    (place / "torchvision" / "__init__.py").write_text(code)
    (place / "torchvision" / "transforms" / "__init__.py").touch()
    (place / "torchvision" / "transforms" / "functional.py").write_text("rotate, InterpolationMode = print, 7")


def test_a_torchvision_that_works_is_used(place):
    write_torchvision(place, "")
    assert import_spandrel().InterpolationMode == 7
    assert sys.modules["torchvision"] is import_spandrel().seen


@pytest.mark.parametrize(
    "error", ["RuntimeError('operator torchvision::nms does not exist')", "OSError", "ImportError"]
)
def test_one_of_another_build_is_done_without(error, place):
    write_torchvision(place, f"raise {error}")
    library = import_spandrel()
    assert not [name for name in sys.modules if name.partition(".")[0] == "torchvision"]
    with pytest.raises(ConfigError, match=r"needs torchvision \(rotate\): install the torchvision that fits"):
        library.rotate(None, library.InterpolationMode.BILINEAR)


def test_what_stood_in_its_place_before_comes_back(place, monkeypatch):
    write_torchvision(place, "raise RuntimeError")
    monkeypatch.setitem(sys.modules, "torchvision.extension", sys)  # what a failed import leaves behind
    import_spandrel()
    assert sys.modules["torchvision.extension"] is sys


def test_the_stand_ins_go_where_the_import_fails(place):
    write_torchvision(place, "raise RuntimeError")
    (place / "spandrel.py").write_text("import einops_that_is_not_there")
    with pytest.raises(ImportError, match="einops_that_is_not_there"):
        import_spandrel()
    assert "torchvision.transforms" not in sys.modules


def test_it_is_imported_once(place):
    write_torchvision(place, "")
    assert import_spandrel() is import_spandrel()
