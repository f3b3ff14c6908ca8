"""What is done to one picture, wherever that is, and what is known of it afterwards.

The work itself is that of ``nlcunet upscale``: ``run_jobs`` on files. Pictures behind URLs are files of this machine
while they are worked on.
"""

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from nlcunet.cluster.choice import ModelChoice
from nlcunet.cluster.places import is_url
from nlcunet.cluster.transfer import FINAL_ERRORS, fetch, store_file
from nlcunet.errors import ConfigError, NlcunetError
from nlcunet.files.locks import try_lock
from nlcunet.inference.batch import Record, run_jobs
from nlcunet.inference.enlarging import Enlarger
from nlcunet.inference.jobs import FileJob
from nlcunet.inference.results import ResultFiles
from nlcunet.inference.settings import BatchSettings
from nlcunet.models.weights import AUTOMATIC, LoadedModel
from nlcunet.version import __version__

PREFIX = "nlcunet-scratch-"
LOCK = "lock"

YOUNGEST_SECONDS = 60.0
"""A folder may not be locked yet when it is made."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is the same for all pictures of a batch.

    Attributes:
        choice: with what pictures are enlarged.
        model: the network, where it is sent to the workers.
        settings: how pictures are treated.
        folder: what paths that do not start at the root start at.
        facts: with what pictures are enlarged, as ``ModelChoice.facts`` tells it; without, no notes are kept beside
            results.
        version: of the program that started the batch.
    """

    choice: ModelChoice
    model: LoadedModel | None
    settings: BatchSettings
    folder: str
    facts: Mapping[str, Any] | None = None
    version: str = __version__

    def open(self) -> Enlarger:
        """What a worker enlarges with.

        Raises:
            ConfigError: another version is installed here.
            NlcunetError: as ``nlcunet.load``.
        """
        if self.version != __version__:
            raise ConfigError(
                f"all machines must have the same version of nlcunet: got {__version__} on {socket.gethostname()} "
                f"and {self.version} where the batch was started; install one everywhere"
            )
        sweep()
        file = Path(self.folder) / self.choice.name_or_path
        if self.model is None and self.choice.name_or_path != AUTOMATIC and file.is_file():
            return replace(self.choice, name_or_path=str(file)).open(None)
        return self.choice.open(self.model)


@dataclass(frozen=True)
class RemoteJob:
    """One picture of a batch."""

    number: int
    source: str
    target: str
    file_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one picture, and where.

    Attributes:
        number: that of the order.
        record: as ``nlcunet upscale`` tells it.
        node: the machine that worked on it; nothing if none did.
        attempts: how often it was begun; more than once where workers were lost.
    """

    number: int
    record: Record
    node: str | None = None
    attempts: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record as plain values, and node and attempts."""
        return self.record.as_json() | {"node": self.node, "attempts": self.attempts}

    def to_text(self) -> str:
        """All of it in one line, to be sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Outcome":
        """What ``to_text`` gave."""
        values: Mapping[str, Any] = json.loads(text)
        record = values["record"]
        return cls(**{**values, "record": Record(**{**record, "notes": tuple(record["notes"])})})


def enlarge(order: RemoteJob, upscaler: Enlarger, setup: Setup, results: ResultFiles) -> Record:
    """Enlarge one picture, whatever its result was before; a record, also where that fails."""
    start = time.perf_counter()
    if is_url(order.source) or is_url(order.target):
        with scratch_folder() as scratch:
            record = _enlarge(order, upscaler, setup, ResultFiles(), scratch)
    else:
        record = _enlarge(order, upscaler, setup, results, Path())
    return replace(record, seconds=time.perf_counter() - start)


def _enlarge(order: RemoteJob, upscaler: Enlarger, setup: Setup, results: ResultFiles, scratch: Path) -> Record:
    """The same; what is behind URLs is in a folder meanwhile."""
    source = _place(order.source, scratch / "source", setup)
    target = _place(order.target, scratch / "result", setup)
    try:
        if is_url(order.source):
            fetch(order.source, source)
    except Exception as error:  # noqa: BLE001 - every store has errors of its own
        return _failed(order, "the picture must be there and readable", error)
    settings = replace(setup.settings, overwrite=True)  # whether it is there was asked before the batch began
    job = FileJob(source=source, target=target, file_format=order.file_format)
    record = _renamed(next(run_jobs([job], upscaler, settings, results=results)), order, source, target)
    try:
        if is_url(order.target) and record.status == "done":
            store_file(target, order.target)
    except Exception as error:  # noqa: BLE001 - as above
        return _failed(order, f"the result must go to {order.target}", error)
    return record


def _place(name: str, stand_in: Path, setup: Setup) -> Path:
    """The file that is worked on: the one of this name, or one that stands for a URL and ends like it."""
    if not is_url(name):
        return Path(setup.folder) / name
    return stand_in.with_suffix(PurePosixPath(name.partition("?")[0]).suffix)


def _renamed(record: Record, order: RemoteJob, source: Path, target: Path) -> Record:
    """A record with the names of the order instead of those of the files that were worked on."""

    def rename(sentence: str) -> str:
        for path, name in ((source, order.source), (target, order.target)):
            sentence = sentence.replace(str(path), name)
        return sentence

    return replace(
        record,
        input=order.source,
        output=order.target,
        notes=tuple(rename(note) for note in record.notes),
        error=None if record.error is None else rename(record.error),
    )


def _failed(order: RemoteJob, rule: str, error: Exception) -> Record:
    return Record(
        input=order.source,
        output=order.target,
        status="failed",
        error=f"{rule}: got {_reason(error)}",
        is_store_down=not isinstance(error, (*FINAL_ERRORS, NlcunetError)),
    )


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def node_name(node_id: str | None = None) -> str:
    """What a machine is called in records: its host name, and on a cluster the beginning of Ray's name for it."""
    host = socket.gethostname()
    return host if node_id is None else f"{host}/{node_id[:8]}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is taken away afterwards; Ray kills its workers, so later ones look for what was left."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        lock = try_lock(Path(name) / LOCK)
        try:
            yield Path(name)
        finally:
            if lock is not None:
                lock.release()


def sweep() -> None:
    """Take away folders of processes that are no more; those of others, in other containers too, are locked."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        try:
            if time.time() - lock_file.stat().st_mtime < YOUNGEST_SECONDS:
                continue
            if (lock := try_lock(lock_file)) is not None:
                shutil.rmtree(lock_file.parent, ignore_errors=True)
                lock.release()
        except OSError:
            continue  # it is in use, or gone, or somebody else's
