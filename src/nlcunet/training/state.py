"""The state of a run on disk: everything the next step depends on, never half written.

A state is one stream (what ``torch.save`` writes) in one or more pieces, ``state-00001200-….pt`` or
``state-00001200-….pt.00``, ``.01``, …, and an index, ``state.json``, with the pieces' sizes and SHA-256. The pieces are
written and flushed to the disk first, then the index of the last state becomes ``state-before.json``, then the new one
takes its place, then the pieces that neither index names are removed: whatever interrupts this, an index names a state
that is complete. Where the newest one is damaged later, the one before serves.
"""

import io
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nlcunet.errors import ConfigError, ImageWriteError, TrainingError
from nlcunet.files.atomic import flush_file, flush_folder, write_file_atomically
from nlcunet.files.checksums import hash_bytes

INDEX_FILE = "state.json"
INDEX_FILE_BEFORE = "state-before.json"
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass
class RunProgress:
    """How far a run has come; grows from step to step."""

    step: int = 0
    """Optimiser steps done, over both stages; also the position in the data."""
    patches: int = 0
    """Patches seen."""
    seconds: float = 0.0
    earlier_steps: int = 0
    """Steps that the initial weights had behind them."""
    earlier_patches: int = 0
    """Patches that the initial weights had seen."""
    earlier_seconds: float = 0.0
    """Time that the initial weights had taken."""
    rollbacks: int = 0
    """How often a non-finite loss or gradient sent the run back to its last state."""
    lr_factor: float = 1.0
    """The learning rate is multiplied by this; lowered by every rollback."""


def parse_bytes(text: str) -> int:
    """A number of bytes from ``15MiB``, ``500 KB``, ``1.5 GiB`` or ``1000000``.

    Raises:
        ConfigError: it is no size above zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match and match[2].upper() in _UNITS else 0
    if size < 1:
        raise ConfigError(f"a size must be a number with KB, MB, GB, KiB, MiB or GiB, as 15MiB: got {text!r}")
    return size


def has_state(folder: Path) -> bool:
    """Whether a run folder holds a state to resume from."""
    return any((folder / name).is_file() for name in (INDEX_FILE, INDEX_FILE_BEFORE))


def save_state(folder: Path, state: Mapping[str, Any], step: int, *, piece_bytes: int | None = None) -> None:
    """Write a state; the last one stays beside it, those before it go once this one is complete.

    Args:
        folder: the run folder.
        state: tensors, numbers, strings, and lists and dictionaries of them.
        step: names the files.
        piece_bytes: largest size of a piece; None writes one file.

    Raises:
        TrainingError: it cannot be written; the last state is still there.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    stream: memoryview = buffer.getbuffer()
    size = piece_bytes or max(1, len(stream))
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    # The digest makes names differ where a step is saved twice, so that no piece of the last state is overwritten.
    stem = f"state-{step:08d}-{hash_bytes(stream)[:8]}.pt"
    names = [stem] if piece_bytes is None else [f"{stem}.{number:02d}" for number in range(len(parts))]
    pieces = [
        {"file": name, "bytes": len(part), "sha256": hash_bytes(part)} for name, part in zip(names, parts, strict=True)
    ]
    index = json.dumps({"format": 1, "step": step, "pieces": pieces}, indent=2) + "\n"
    temporary = [folder / f".{name}.part" for name in names]
    try:
        for path, part in zip(temporary, parts, strict=True):
            path.write_bytes(part)
            flush_file(path)
        for path, name in zip(temporary, names, strict=True):
            path.replace(folder / name)
        flush_folder(folder)
        if _is_whole(folder, INDEX_FILE):
            write_file_atomically(folder / INDEX_FILE_BEFORE, (folder / INDEX_FILE).read_bytes())
        write_file_atomically(folder / INDEX_FILE, index.encode())
    except (OSError, ImageWriteError) as error:
        raise TrainingError(
            f"the state could not be written to {folder}: {getattr(error, 'strerror', None) or error}; the last one is "
            "untouched: free some space, and go on with --resume"
        ) from error
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    kept = {*names, *_pieces(folder, INDEX_FILE_BEFORE)}
    for path in folder.glob("*state-*.pt*"):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def load_state(folder: Path, on_note: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """Read the last state that is complete, its tensors on the CPU.

    Raises:
        TrainingError: there is none, or both are damaged.
    """
    try:
        return _load_state(folder, INDEX_FILE)
    except TrainingError as error:
        try:
            state = _load_state(folder, INDEX_FILE_BEFORE)
        except TrainingError:
            raise error from None
        on_note(f"the state before the newest is taken: {error}")
        return state


def _load_state(folder: Path, index_file: str) -> dict[str, Any]:
    """The state that an index names."""
    try:
        index = json.loads((folder / index_file).read_text(encoding="utf-8"))
        stream = b"".join(_read_piece(folder, piece) for piece in index["pieces"])
        state: dict[str, Any] = torch.load(io.BytesIO(stream), map_location="cpu", weights_only=True)
    except TrainingError:
        raise
    except Exception as error:  # torch.load raises whatever the damage happens to cause
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(
            f"the state in {folder} cannot be resumed ({first_line}); copy it again, or start afresh in another folder"
        ) from error
    return state


def _pieces(folder: Path, index_file: str) -> dict[str, int]:
    """The pieces that an index names, with their sizes; none where it cannot be understood."""
    try:
        pieces = json.loads((folder / index_file).read_text(encoding="utf-8"))["pieces"]
        return {Path(piece["file"]).name: int(piece["bytes"]) for piece in pieces}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _is_whole(folder: Path, index_file: str) -> bool:
    """Whether an index can be understood and its pieces have their sizes; their bytes are not read."""
    pieces = {folder / name: size for name, size in _pieces(folder, index_file).items()}
    return bool(pieces) and all(path.is_file() and path.stat().st_size == size for path, size in pieces.items())


def random_states() -> dict[str, Any]:
    """The state of every global random generator: Python's, NumPy's, torch's on the CPU and on each CUDA device."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002 - the global generator
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Put every global random generator back; CUDA devices that are gone are left out."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(  # noqa: NPY002 - the global generator
        ("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached)
    )
    torch.set_rng_state(states["torch"])
    for number, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, number)


def progress_to_dict(progress: RunProgress) -> dict[str, int | float]:
    """Plain values for the state."""
    return asdict(progress)


def _read_piece(folder: Path, piece: Mapping[str, Any]) -> bytes:
    path = folder / Path(piece["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"the state in {folder} lacks {path.name} ({error.strerror}); copy it again") from error
    if hash_bytes(content) != piece["sha256"]:
        raise TrainingError(f"the state in {folder} is damaged: {path.name} has another SHA-256; copy it again")
    return content
