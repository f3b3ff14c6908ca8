"""Libraries that only the extra ``export`` brings, imported when they are needed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from nlcunet.errors import ExportError, install_extra


def import_library(name: str) -> ModuleType:
    """An optional library, or an error that says how to get it.

    Raises:
        ExportError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise ExportError(
            f"this needs {missing}, which could not be imported ({error}); install it with: {install_extra('export')}"
        ) from error


@contextmanager
def quiet_log(name: str | None = None) -> Iterator[None]:
    """Without a library's remarks below errors while it is open."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
