"""The page about trips through the code names the files that trips really come by."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAKING = Path(__file__).parents[2] / "docs" / "making" / "trips.py"


def test_trips_come_by_the_files_that_the_page_names():
    pytest.importorskip("fastapi")
    # in a process of its own: what an earlier test has left in a cache is not entered again
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(MAKING), "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
