"""The results of a batch on the disk: which are there and still what is asked for, and where new ones go."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlcunet.errors import DataError, ImageWriteError
from nlcunet.files.atomic import check_target, read_status
from nlcunet.inference.origins import Origin, OriginNotes, is_same_input, origin_of, place_of
from nlcunet.inference.settings import BatchSettings


@dataclass(frozen=True)
class EarlierResult:
    """What a look at a result gave.

    Attributes:
        is_finished: whether there is one that is to be kept.
        notes: what the user should know of it, a sentence each.
    """

    is_finished: bool
    notes: tuple[str, ...] = ()


class ResultFiles:
    """Looks at results before they are made, and remembers their folders.

    Args:
        choice: with what pictures are enlarged, as ``Enlarger.choice_facts`` tells it; without it, whatever is there is
            taken for what is asked for, and no notes are kept beside the results.
    """

    def __init__(self, choice: Mapping[str, Any] | None = None) -> None:
        self._choice = choice
        self._notes: dict[Path, OriginNotes] = {}
        self._folders: dict[Path, tuple[int, int]] = {}

    def look(self, target: Path | None, source: Path | bytes, settings: BatchSettings) -> EarlierResult:
        """Whether a result is there and may stay.

        An empty file is no result. One of an input that has changed since is to be made again. One of another picture
        or of other settings is kept and told: it may be all that is left of hours of work.

        Raises:
            ImageWriteError: the target's name is one that no file can have.
        """
        status = None if target is None or settings.overwrite else read_status(target)
        if target is None or status is None or not stat.S_ISREG(status.st_mode):
            return EarlierResult(is_finished=False)
        if status.st_size == 0:
            return EarlierResult(is_finished=False, notes=(f"{target} was there with 0 bytes and was made again",))
        origin = self._notes_of(target).find(target)
        if origin is None or self._choice is None:
            return EarlierResult(is_finished=True)
        try:
            is_same = is_same_input(origin, source)
        except (OSError, DataError):
            return EarlierResult(is_finished=True)  # the input is gone, the result is not
        if not is_same and isinstance(source, Path) and origin.place == place_of(source):
            return EarlierResult(is_finished=False, notes=("made again: the input has changed since the last time",))
        reasons = [] if is_same else [f"from another input, {origin.name}"]
        if differences := _differences(origin.settings, self._settings_for(target, settings)):
            reasons.append(f"with other settings ({'; '.join(differences)})")
        notes = (f"{target} was made {' and '.join(reasons)}; it is kept",) if reasons else ()
        return EarlierResult(is_finished=True, notes=notes)

    def prepare(self, target: Path) -> None:
        """Make the folder of a result, and see that the result can be written, before any work is done for it.

        Raises:
            ImageWriteError: it cannot, or the folder was there earlier in this batch and is gone.
        """
        folder = target.parent.absolute()
        for known in [*reversed(folder.parents), folder]:
            if known in self._folders and not _is_same_folder(self._folders[known], _identity(known)):
                raise ImageWriteError(
                    f"the output folder must stay where it is while a batch runs: got {known}, which has gone since "
                    "it began; connect its disk again, or make it again, and run the same command"
                )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageWriteError(
                f"the output folder must be one that can be made: got {target.parent}: {error.strerror}; choose another"
            ) from error
        for made in (folder, *folder.parents):
            if (identity := _identity(made)) is not None:
                self._folders.setdefault(made, identity)
        check_target(target)

    def origin_of(self, target: Path, source: Path | bytes, settings: BatchSettings) -> Origin | None:
        """What will have made a result; nothing if no notes are kept, or the input cannot be looked at."""
        if self._choice is None:
            return None
        try:
            return origin_of(source, self._settings_for(target, settings))
        except (OSError, DataError):
            return None

    def keep(self, target: Path, origin: Origin | None) -> tuple[str, ...]:
        """Keep what made a finished result; a sentence where that is not possible."""
        if origin is None:
            return ()
        notes = self._notes_of(target)
        try:
            notes.add(target, origin)
        except OSError as error:
            what = f"what made {target} could not be kept in {notes.path} ({error.strerror})"
            return (f"{what}: later runs cannot tell whether it is still what is asked for",)
        return ()

    def _notes_of(self, target: Path) -> OriginNotes:
        folder = target.parent.absolute()
        if folder not in self._notes:
            self._notes[folder] = OriginNotes(folder)
        return self._notes[folder]

    def _settings_for(self, target: Path, settings: BatchSettings) -> dict[str, Any]:
        """All that a result depends on beside its input, by the words of the command line, if set."""
        request = settings.request
        values: dict[str, Any] = dict(self._choice or {})
        if (request.width, request.height, request.long_edge) != (None, None, None):
            values["scale"] = None
        values |= {"width": request.width, "height": request.height, "long edge": request.long_edge}
        values |= {"wrap": None if request.wrap == "none" else request.wrap}
        values |= {"file quality": settings.quality, "metadata": "stripped" if settings.strip_metadata else None}
        if target.suffix.lower() in {".tif", ".tiff"}:
            values |= {"compression": settings.layout.compression, "pyramid": settings.layout.pyramid or None}
        return {name: value for name, value in values.items() if value is not None}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if "weights" in names:  # a checksum tells people nothing
        names.remove("weights")
        if "model" not in names:
            return ["other weights of the same name", *_changes(names, before, now)]
    return _changes(names, before, now)


def _changes(names: list[str], before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{name} {_in_words(before.get(name))}, now {_in_words(now.get(name))}" for name in names]


def _in_words(value: Any) -> str:
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another in its place: disk and number on it; nothing if it is not there."""
    try:
        status = os.stat(folder)  # noqa: PTH116 - beside S_ISDIR
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _is_same_folder(before: tuple[int, int], now: tuple[int, int] | None) -> bool:
    """Whether a folder is still there; a disk that comes back may have another number, some change those of folders."""
    return now is not None and (before[0] == now[0] or before[1] == now[1])
