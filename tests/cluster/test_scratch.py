import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from nlcunet.cluster.work import LOCK, YOUNGEST_SECONDS, scratch_folder, sweep

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX systems")

HOLD = """
from nlcunet.cluster.work import scratch_folder
with scratch_folder() as folder:
    (folder / "source.png").write_bytes(b"a picture")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def make_old(folder: Path) -> None:
    past = time.time() - YOUNGEST_SECONDS - 1
    os.utime(folder / LOCK, (past, past))


def test_a_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
        (folder / "source.png").touch()
    assert list(tmp_path.iterdir()) == []


def test_only_what_killed_processes_left_is_swept_away(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment, text=True, **pipes) as program:
        assert program.stdout is not None
        folder = Path(program.stdout.readline().strip())
        make_old(folder)
        sweep()
        assert (folder / "source.png").exists()
        program.send_signal(signal.SIGKILL)
    sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "nlcunet-scratch-new").mkdir()
    (tmp_path / "nlcunet-scratch-new" / LOCK).touch()
    (tmp_path / "nlcunet-scratch-newer").mkdir()
    sweep()
    assert len(list(tmp_path.iterdir())) == 2
