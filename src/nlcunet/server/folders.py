"""Where uploads and results lie: a folder for each job, made whole or not at all."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.files.atomic import flush_file, flush_folder, set_permissions
from nlcunet.imaging.formats import FORMATS

INPUT = "input"
KEEP = "keep-input"
"""Beside an input that is kept as long as the result."""

RESULT = "result"

SPARE_BYTES = 16 << 20
"""What uploads and results leave free on the disk, so that the queue can still be written."""


class JobFolders:
    """The files of all jobs below the server's folder, which is made if it is not there.

    Raises:
        ConfigError: it cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming, self._jobs = root / "incoming", root / "jobs"
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self._incoming, self._jobs):
                folder.mkdir(exist_ok=True, mode=0o700)
                set_permissions(folder, 0o700)
        except OSError as error:
            raise ConfigError(
                f"the server's folder must be one that can be written: got {root}: {error.strerror}; "
                "choose another with --folder"
            ) from error

    def incoming(self, job_id: str) -> Path:
        """A new file to receive a picture in."""
        return self._incoming / job_id

    def accept(self, job_id: str, *, keeps_input: bool = False) -> None:
        """Keep what came in as the input of a job, on request also from ``remove_input``; it is on the disk then."""
        source, folder = self.incoming(job_id), self._jobs / job_id
        folder.mkdir(mode=0o700)
        flush_file(source)
        if keeps_input:
            (folder / KEEP).touch()
        source.replace(folder / INPUT)
        for each in (folder, self._jobs):
            flush_folder(each)

    def refuse(self, job_id: str) -> None:
        """Remove what came in."""
        self.incoming(job_id).unlink(missing_ok=True)

    def input(self, job_id: str) -> Path:
        """A job's picture."""
        return self._jobs / job_id / INPUT

    def aside(self, job_id: str, name: str) -> Path:
        """Where something made from picture or result goes, or lies."""
        return self._jobs / job_id / name

    def result(self, job_id: str, file_format: str) -> Path:
        """Where its result goes, or lies."""
        return self._jobs / job_id / f"{RESULT}{FORMATS[file_format].suffixes[0]}"

    def remove_input(self, job_id: str) -> None:
        """The picture is not needed any more, unless it was to be kept."""
        if not (self._jobs / job_id / KEEP).exists():
            self.input(job_id).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """What uploads and results may still take on the disk."""
        return max(0, shutil.disk_usage(self.root).free - SPARE_BYTES)

    def size_bytes(self, job_id: str) -> int:
        """What a job's files take."""
        return sum(file.stat().st_size for file in (self._jobs / job_id).iterdir())

    def remove(self, job_id: str) -> None:
        """All files of a job."""
        shutil.rmtree(self._jobs / job_id, ignore_errors=True)

    def remove_strangers(self, known: Iterable[str]) -> None:
        """What an earlier process left behind: half uploads, and folders of jobs that shall have no files any more."""
        for file in self._incoming.iterdir():
            file.unlink(missing_ok=True)
        kept = frozenset(known)
        for folder in self._jobs.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def without_paths(self, text: str, job_id: str, name: str) -> str:
        """A message to a client: its picture by the name that it gave, and no places on this machine."""
        folder = self._jobs / job_id
        return text.replace(str(folder / INPUT), name).replace(f"{folder}{os.sep}", "").replace(str(self.root), "")
