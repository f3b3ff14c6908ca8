"""Training keeps the memory that it frees, and gives it back when it is over."""

import subprocess
import sys

CODE = """
import platform, resource
from pathlib import Path
import numpy as np
import torch
from nlcunet.runtime import keeping_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(2**23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

once = faults()
with keeping_freed_memory(torch.device("cpu")) as keeps:
    np.ones(2**23)
    again = faults()
    kept = resident()
assert keeps == (platform.libc_ver()[0] == "glibc")
if keeps:
    assert again < once / 5, (once, again)
    assert resident() < kept - 2**25, (kept, resident())
    assert faults() > once / 2

with keeping_freed_memory(torch.device("meta")) as keeps:
    assert not keeps
"""


def test_freed_memory_is_taken_again_without_page_faults_and_given_back_in_the_end() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
