"""Shapes in signatures are checked in every test; computations are repeatable."""

import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
from jaxtyping import install_import_hook

install_import_hook("nlcunet", "beartype.beartype")  # before anything imports nlcunet

sys.path.insert(0, str(Path(__file__).parent / "shared"))  # what tests of several folders use

import pytest  # noqa: E402
import torch  # noqa: E402
from misbehaving_web import Web  # noqa: E402

# Shells let jobs in the background ignore Ctrl-C, and programs that the tests start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # workers share the cores; threads that wait for each other would only slow them down


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@contextmanager
def _unchecked_shapes():
    """While a network is drawn, shapes are unknowns, and checking those is slow; so is looking for garbage."""
    jaxtyping.config.update("jaxtyping_disable", True)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def unchecked_shapes():
    with _unchecked_shapes():
        yield


@pytest.fixture(scope="session")
def tiny():
    """A small NLCUnet with sparse attention and random weights, whose detail shows."""
    from nlcunet.models.nlcunet import NLCUnet, NLCUnetConfig
    from nlcunet.models.weights import LoadedModel, describe

    torch.manual_seed(1)
    attention = ("none", "none", "sparse", "none", "none", "none")
    depths, sparse = (0, 0, 1, 0, 0, 0), {"num_hashes": 2, "chunk_size": 20, "max_buckets": 8}
    config = NLCUnetConfig(width=8, scale=2, depths=depths, attention=attention, upsampler="direct", **sparse)
    network = NLCUnet(config)
    torch.nn.init.normal_(network.upsampler[0].weight, std=0.05)
    return LoadedModel(network.eval(), describe(network, "2x-tiny"))


@pytest.fixture(scope="session")
def drawn(tiny, tmp_path_factory, request):
    """Its ONNX graph as bytes, which also tells what its attention did.

    Drawn once for all workers of a run, because it takes a quarter of a minute.
    """
    from filelock import FileLock

    from nlcunet.export.onnx import make_onnx

    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent  # every worker has a folder of its own in it
    path = folder / "drawn.onnx"
    with FileLock(folder / "drawn.lock"):
        if not path.exists():
            with _unchecked_shapes():
                path.write_bytes(make_onnx(tiny).SerializeToString())
    return path.read_bytes()


@pytest.fixture
def draw_once(drawn, monkeypatch):
    """Lets exports to ONNX and OpenVINO start from the graph that is drawn already."""
    import onnx

    monkeypatch.setattr("nlcunet.export.exporting.make_onnx", lambda _model, _precision: onnx.load_from_string(drawn))


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The server; proxies of the machine that runs the tests are forgotten."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Web()
    yield server
    server.close()


@pytest.fixture
def patience():
    """Few attempts with short waits, so that tests are quick; a server on a busy machine may take its time."""
    from nlcunet.files.download import Patience

    return Patience(silence_s=30.0, slow_s=30.0, slow_bytes=100, attempts=3, first_wait_s=0.001, longest_wait_s=0.01)
