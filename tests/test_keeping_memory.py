"""Training keeps the memory that it frees."""

import subprocess
import sys

CODE = """
import platform, resource
import numpy as np
from nlcunet.runtime import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(2**23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

once = faults()
done = keep_freed_memory()
np.ones(2**23)
again = faults()
assert done == (platform.libc_ver()[0] == "glibc")
assert not done or again < once / 5, (once, again)
"""


def test_freed_memory_is_taken_again_without_page_faults():
    subprocess.run([sys.executable, "-c", CODE], check=True)
