"""What is imported for which command: PyTorch alone takes as long as all the rest of a small picture."""

import gc
import json
import subprocess
import sys

import pytest

from nlcunet.cli.app import COMMANDS, quick_imports

HEAVY = {"torch", "pyvips", "torch._dynamo", "sympy", "triton"}

RUN = """
import json, sys
from nlcunet.cli.app import main
loaded = {}
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["nlcunet", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
    loaded[" ".join(arguments)] = sorted(sys.modules)
print(json.dumps(loaded), file=sys.stderr)
"""


def modules_after(*commands):
    done = subprocess.run([sys.executable, "-c", RUN, json.dumps(commands)], check=True, capture_output=True, text=True)
    return {command: set(names) for command, names in json.loads(done.stderr.splitlines()[-1]).items()}


def test_commands_that_need_no_network_do_not_load_pytorch():
    helps = [[name, "--help"] for name in COMMANDS]
    loaded = modules_after(
        ["--version"], ["--help"], *helps, ["models"], ["models", "--json"], ["models", "4x-NLCUnet-S"]
    )
    assert {command: names & HEAVY for command, names in loaded.items() if names & HEAVY} == {}


@pytest.mark.parametrize("command", ["upscale", "inspect"])
def test_enlarging_and_inspecting_load_no_compiler(command, save, tmp_path):
    options = ["-o", str(tmp_path / "large.png"), "-q"] if command == "upscale" else []
    (names,) = modules_after([command, str(save(tmp_path / "small.png")), *options]).values()
    assert "torch" in names
    assert not names & {"torch._dynamo", "sympy", "triton", "onnx", "matplotlib"}


def test_garbage_is_collected_again_after_quick_imports(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()
    assert not frozen
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert frozen == [False]


def test_quick_imports_change_nothing_where_pytorch_is_there_already():
    before = gc.get_freeze_count()
    with quick_imports():
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
