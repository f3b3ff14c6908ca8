import subprocess
import sys

from nlcunet.files.locks import try_lock, wait_for_lock

HOLD = """
import sys
from pathlib import Path
from nlcunet.files.locks import try_lock
lock = try_lock(Path(sys.argv[1]))
assert lock is not None
print("held", flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / "lock"
    first = try_lock(path)
    assert first is not None
    assert try_lock(path) is None
    first.release()
    with wait_for_lock(path):
        assert try_lock(path) is None
    assert try_lock(path) is not None


def test_a_lock_goes_with_its_process(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert try_lock(path) is None
        holder.kill()
        holder.wait()
        assert try_lock(path) is not None
