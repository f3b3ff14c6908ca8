"""Files that one process holds at a time, on every system; a lock goes with its process, however that ends."""

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def wait_for_lock(path: Path) -> BaseFileLock:
    """Hold a file as long as a ``with`` lasts, after everybody who holds it now.

    Raises:
        OSError: The file cannot be made.
    """
    return FileLock(path, thread_local=False)


def try_lock(path: Path) -> BaseFileLock | None:
    """Hold a file for this process until the lock is released, or nobody refers to it any more.

    Returns:
        The lock; nothing if another process, or another part of this one, has it.

    Raises:
        OSError: The file cannot be made.
    """
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock
