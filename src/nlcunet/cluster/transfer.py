"""Files from and to stores: tried again where the network fails, and whole or not there at all."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nlcunet.cluster.places import is_url, open_store, protocol_of
from nlcunet.files.atomic import write_file_atomically

PAUSES_SECONDS = (1.0, 3.0, 9.0)
"""Between one try and the next; clients of the stores try again by themselves as well."""

WHOLE_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""An object appears there when its upload is complete, so that no other name is needed until then."""

FINAL_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError)
"""Errors that stay however often one tries: they are the object's, not the store's."""


def fetch(url: str, target: Path) -> None:
    """Copy an object to a file of this machine.

    Raises:
        ConfigError: the protocol is not known, or its package is missing.
        Exception: what the store raised at the last try.
    """
    store, path = open_store(url)
    _try_again(lambda: store.get_file(path, str(target)))


def store_file(source: Path, url: str) -> None:
    """Copy a file of this machine to an object, which is whole as soon as it can be seen.

    Raises:
        ConfigError: the protocol is not known, or its package is missing.
        Exception: what the store raised at the last try.
    """
    store, path = open_store(url)
    if protocol_of(url) in WHOLE_OBJECT_STORES:
        _try_again(lambda: store.put_file(str(source), path))
        return
    folder = path.rpartition("/")[0]

    def put_and_move() -> None:
        temporary = f"{folder}/.nlcunet-{secrets.token_hex(8)}.part"
        try:
            store.makedirs(folder, exist_ok=True)
            store.put_file(str(source), temporary)
            store.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                store.rm_file(temporary)
            raise

    _try_again(put_and_move)


def read_bytes(name: str) -> bytes | None:
    """What is behind a URL or a path; nothing if it is not there.

    Raises:
        Exception: what the store raised at the last try.
    """
    try:
        if not is_url(name):
            return Path(name).read_bytes()
        store, path = open_store(name)
        store.invalidate_cache()
        content: list[bytes] = []
        _try_again(lambda: content.append(store.cat_file(path)))
    except FileNotFoundError:
        return None
    return content[0]


def write_bytes(data: bytes, name: str, scratch: Path) -> None:
    """Put something behind a URL or a path, whole or not at all.

    Raises:
        ImageWriteError: a path of this machine cannot be written.
        Exception: what the store raised at the last try.
    """
    if not is_url(name):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_file_atomically(Path(name), data)
        return
    scratch.write_bytes(data)
    store_file(scratch, name)


def _try_again(work: Callable[[], None]) -> None:
    """Do something that may fail for a while."""
    for pause in PAUSES_SECONDS:
        try:
            work()
        except FINAL_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - every store has errors of its own; the last try raises its
            time.sleep(pause)
        else:
            return
    work()
