"""Shapes in signatures are checked in every test; computations are repeatable."""

import signal

from jaxtyping import install_import_hook

install_import_hook("nlcunet", "beartype.beartype")  # before anything imports nlcunet

import pytest  # noqa: E402
import torch  # noqa: E402

# Shells let jobs in the background ignore Ctrl-C, and programs that the tests start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # workers share the cores; threads that wait for each other would only slow them down


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
