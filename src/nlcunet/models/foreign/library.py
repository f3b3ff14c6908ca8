"""spandrel, the library that knows other people's networks: imported when a file needs it.

spandrel imports all its architectures at once. Two of them, LaMa and RestoreFormer, import functions of torchvision.
Neither enlarges pictures (``network.py`` refuses both), and torchvision must fit the installed torch exactly. So where
torchvision is missing or does not start, empty modules stand in its place while spandrel is imported, and no longer.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType
from typing import NoReturn

from nlcunet.errors import ConfigError

INSTALL = "pip install --no-deps spandrel einops"
"""Not the extra: this line never replaces the installed torch, which torchvision may do."""
_TORCHVISION = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_importing = Lock()


def import_spandrel() -> ModuleType:
    """The library.

    Raises:
        ImportError: it is not installed, or something that it needs.
    """
    with _importing, nullcontext() if "spandrel" in sys.modules or _has_torchvision() else _stand_ins():
        return import_module("spandrel")


def _has_torchvision() -> bool:
    """Whether torchvision is there and fits this torch; one of another build fails in many ways."""
    try:
        import_module(_TORCHVISION[-1])
    except (ImportError, RuntimeError, OSError, AttributeError):
        return False
    return True


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Modules in torchvision's place, from which any name can be imported."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchvision"}
    for name in before:
        del sys.modules[name]
    for name in _TORCHVISION:
        sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        for name in _TORCHVISION:
            del sys.modules[name]
        sys.modules.update(before)


class _StandIn(ModuleType):
    """A module that is only there to be imported from."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> "_Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name)


class _Absent:
    """A function of torchvision that is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise ConfigError(
            f"this network needs torchvision ({self._name}): install the torchvision that fits your torch"
        )

    def __getattr__(self, name: str) -> "_Absent":
        return _Absent(name)
