"""Files that appear whole or not at all."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from nlcunet.errors import ImageWriteError

_FULL = (errno.ENOSPC, errno.EDQUOT)

_ADVICE = {
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another disk",
    errno.EFBIG: "the file is larger than this disk or user may hold; choose another disk or a smaller format",
    errno.EACCES: "check the permissions of the folder, or choose another",
    errno.EPERM: "check the permissions of the folder, or choose another",
    errno.EROFS: "the disk is read-only; choose another",
    errno.ENOENT: "create the folder first",
    errno.ENOTDIR: "create the folder first",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_file_atomically(target: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, so that a reader sees the old file or the new one, never a part.

    The temporary file is flushed to disk before it takes the target's name. Whatever goes wrong, also an interrupt,
    it is removed and the target stays as it was. A link is followed; permissions of an existing target are kept where
    the disk knows any.

    Raises:
        ImageWriteError: The folder is missing or not writable, the disk is full, or the target is no ordinary file.
    """
    try:
        final = Path(os.path.realpath(target))
        mode = _mode_of(final)
        temporary = final.with_name(f".nlcunet-{secrets.token_hex(8)}.part")
        try:
            _write_and_flush(temporary, data, mode)
            os.replace(temporary, final)  # noqa: PTH105 - Path.replace hides that this is the atomic call
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(final.parent)
    except (OSError, ValueError) as error:
        raise ImageWriteError(_explain(target, len(data), error)) from error


def move_into_place(finished: Path, target: Path) -> None:
    """Give a finished file beside the target the target's name, once the disk has all of it.

    A link is followed, permissions of an existing target are kept.

    Raises:
        ImageWriteError: The target cannot be written; both files stay as they were.
    """
    try:
        final = Path(os.path.realpath(target))
        mode = _mode_of(final)
        flush_file(finished)
        if mode is not None:
            set_permissions(finished, mode)
        os.replace(finished, final)  # noqa: PTH105 - as above
        flush_folder(final.parent)
    except (OSError, ValueError) as error:
        num_bytes = finished.stat().st_size if finished.is_file() else 0
        raise ImageWriteError(_explain(target, num_bytes, error)) from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that the disk has no room left."""
    while error is not None:
        if getattr(error, "errno", None) in _FULL or any(os.strerror(code) in str(error) for code in _FULL):
            return True
        error = error.__cause__
    return False


def read_status(target: Path) -> os.stat_result | None:
    """What the disk says of the file that has this name already; nothing if there is none.

    Raises:
        ImageWriteError: Nothing can have it, as a name that is too long.
    """
    try:
        return target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # a link to itself leads to no file
        raise ImageWriteError(_explain(target, 0, error)) from error


def check_target(target: Path) -> None:
    """Find out whether a file can be written, before the work that leads to it; nothing is left behind.

    Raises:
        ImageWriteError: As for ``write_file_atomically``.
    """
    try:
        final = Path(os.path.realpath(target))
        _mode_of(final)
        trial = final.with_name(f".nlcunet-{secrets.token_hex(8)}.part")
        try:
            os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        finally:
            trial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise ImageWriteError(_explain(target, 0, error)) from error


def set_permissions(path: Path, mode: int) -> None:
    """Set the permission bits of a file or folder where the disk knows any; many shared ones refuse."""
    with suppress(OSError):
        path.chmod(mode)


def flush_file(path: Path) -> None:
    """Wait until the disk has all of a file, whoever wrote it."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names of new files in a folder, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _mode_of(final: Path) -> int | None:
    """Permission bits of the file to be replaced, ``None`` if there is none yet."""
    try:
        status = final.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no ordinary file")
    return stat.S_IMODE(status.st_mode)


def _write_and_flush(path: Path, data: bytes, mode: int | None) -> None:
    """Create a file that must not exist yet, fill it, and wait until the disk has it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
    if mode is not None:
        set_permissions(path, mode)


def _explain(target: Path, num_bytes: int, error: OSError | ValueError) -> str:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    advice = _ADVICE.get(getattr(error, "errno", 0) or 0, "choose another target")
    size = f" ({num_bytes:,} bytes)" if num_bytes else ""
    return f"the target must be a file that can be written{size}: got {target}: {reason}; {advice}"
