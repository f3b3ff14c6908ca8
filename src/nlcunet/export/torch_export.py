"""To PyTorch's own exchange formats: torch.export's .pt2, and AOTInductor's compiled package.

Neither needs this package to run. What they answer with is a tuple of one picture.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ExportError
from nlcunet.export.drawing import WatchedNetwork, draw, quiet
from nlcunet.export.facts import FACTS_KEY, ExportFacts
from nlcunet.export.sessions import Session
from nlcunet.models.weights import LoadedModel

FACTS_FILE = f"{FACTS_KEY}.json"
"""Name of the facts among a .pt2 file's extra files."""


def _session(module: Any) -> Session:
    def run(batch: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            # a compiled package takes its input for contiguous, and does not check: anything else gives wrong numbers
            return tuple(module(batch.contiguous()))

    return run


def watch_network(model: LoadedModel, precision: str) -> Session:
    """The module that is traced, which also tells what its sparse attention did; its graph holds the same operators."""
    return WatchedNetwork(model, precision).watch


def write_graph(model: LoadedModel, facts: ExportFacts, path: Path) -> None:
    """Write a network as torch.export's .pt2, with the facts inside."""
    with quiet():
        graph = draw(model, facts.precision, is_watched=False)
        torch.export.save(graph, path, extra_files={FACTS_FILE: facts.model_dump_json()})


def open_graph(path: Path) -> tuple[Session, str]:
    """A .pt2 file and its facts as JSON.

    Raises:
        ExportError: it is none.
    """
    extra = {FACTS_FILE: ""}
    try:
        with quiet():
            graph = torch.export.load(path, extra_files=extra)
    except Exception as error:
        raise ExportError(f"{path} must be a file of torch.export: {error}") from error
    return _session(graph.module()), str(extra[FACTS_FILE])


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which AOTInductor needs when it exports, and not when it runs."""
    from torch._inductor import config

    return any(shutil.which(name) for name in config.cpp.cxx if name)


def compile_package(model: LoadedModel, facts: ExportFacts, path: Path) -> None:
    """Compile a network to a package for this machine's kind of processor, with the facts inside.

    Raises:
        ExportError: there is no C++ compiler, or it fails.
    """
    if not has_compiler():
        raise ExportError("AOTInductor needs a C++ compiler: found none; install g++ or clang, or take --to torch")
    settings = {"aot_inductor.metadata": {FACTS_KEY: facts.model_dump_json()}}
    graph = draw(model, facts.precision, is_watched=False)
    try:
        with quiet(), torch.no_grad():
            torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - its documented name
                graph, package_path=str(path), inductor_configs=settings
            )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(f"AOTInductor could not compile {model.header.name}: {reason}") from error


def open_package(path: Path) -> tuple[Session, str]:
    """A compiled package and its facts as JSON.

    Raises:
        ExportError: it is none, or was compiled for another kind of machine.
    """
    try:
        with quiet():
            package = torch._inductor.aoti_load_package(str(path))  # noqa: SLF001 - its documented name
    except Exception as error:
        raise ExportError(f"{path} must be a package of AOTInductor for this machine: {error}") from error
    return _session(package), str(package.get_metadata().get(FACTS_KEY, ""))
