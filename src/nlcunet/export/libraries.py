"""Libraries that only the extra ``export`` brings, imported when they are needed."""

from importlib import import_module
from types import ModuleType

from nlcunet.errors import ExportError


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
            f"this needs {missing}, which could not be imported ({error}); install it with: "
            "pip install 'nlcunet[export]'"
        ) from error
