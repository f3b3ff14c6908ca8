"""Pictures behind URLs, through fsspec: what there is, what is there already, and names for the results.

The rules for names are those of files (``nlcunet.inference.jobs``), which know paths only. So a URL goes by as a path,
``s3://bucket/a.png`` as ``s3:/bucket/a.png``, and becomes a URL again where it is opened.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from fsspec.core import url_to_fs

from nlcunet.errors import ConfigError, NlcunetError
from nlcunet.imaging.formats import PICTURE_SUFFIXES
from nlcunet.inference.jobs import FoundPicture, find_files

LOCAL_PROTOCOLS = frozenset({"file", "local"})
WEB_PROTOCOLS = frozenset({"http", "https"})
"""Read only, and everything behind ``?`` belongs to the address, not to the name."""

_URL_AS_PATH = re.compile(r"(?<![\w/])([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


def is_url(name: str) -> bool:
    """Whether a name is a URL, and not a path of this machine."""
    return "://" in name


def protocol_of(url: str) -> str:
    """What stands before ``://``."""
    return url.partition("://")[0].lower()


def without_file_protocol(name: str) -> str:
    """A ``file://`` URL as a path of this machine; anything else as it is."""
    return name.partition("://")[2] if is_url(name) and protocol_of(name) in LOCAL_PROTOCOLS else name


def with_urls(text: str) -> str:
    """A path, or a sentence with paths, with URLs where paths stand for them."""
    return _URL_AS_PATH.sub(r"\1://", text)


def open_store(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        ConfigError: the protocol is not known, or its package is missing.
    """
    if "::" in url:
        raise ConfigError(f"a URL must name one store: got {url}; unpack archives first")
    try:
        file_system, path = url_to_fs(url)
    except ImportError as error:
        raise ConfigError(f"{protocol_of(url)}:// needs a package that is missing: {error}") from error
    except ValueError as error:
        raise ConfigError(f"the URL must be one that fsspec opens: got {url}: {error}") from error
    return file_system, str(path)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever a store complains of while it is asked, as an error of ours."""
    try:
        yield
    except NlcunetError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the store must answer: got {type(error).__name__} from {url}: {error}; "
            "check the address, the credentials and the network"
        ) from error


class Places:
    """URLs as paths, and back."""

    def __init__(self) -> None:
        self._urls: dict[Path, str] = {}

    def name_of(self, path: Path) -> str:
        """The URL or path that a path stands for; of pictures that were found, letter by letter as in the store."""
        text = path.as_posix()
        return self._urls.get(path) or (with_urls(text) if _URL_AS_PATH.match(text) else text)

    def find(self, name: str, *, recursive: bool) -> Iterator[FoundPicture]:
        """The pictures behind one input, as ``find_files`` finds them on disks.

        A URL that ends like a picture is taken for one without a look; others are folders, or patterns with ``*``.

        Raises:
            ConfigError: the store does not answer.
        """
        name = without_file_protocol(name)
        if not is_url(name):
            yield from find_files(name, recursive=recursive)
            return
        store, root = open_store(name)
        with _told(name):
            found = list(self._find_in(store, name, root, recursive=recursive))
        yield from found

    def _find_in(self, store: Any, url: str, root: str, *, recursive: bool) -> Iterator[FoundPicture]:
        name = _file_name(url)
        if "*" in url:
            for path, entry in sorted(store.glob(root, detail=True).items()):
                if entry["type"] == "file":
                    yield self._found(store.unstrip_protocol(path), Path(_file_name(path)), was_named=True)
            return
        if not url.endswith("/") and PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES:
            yield self._found(url, Path(name), was_named=True)
            return
        for path in _list(store, root, recursive=recursive):
            if path.rstrip("/") == root.rstrip("/"):
                yield self._found(url, Path(name), was_named=True)
            elif (relative := _place_below(path, root)) is not None:
                yield self._found(store.unstrip_protocol(path), relative, was_named=False)

    def _found(self, url: str, relative: Path, *, was_named: bool) -> FoundPicture:
        address = url.partition("?")[0] if protocol_of(url) in WEB_PROTOCOLS else url
        path = Path(address)  # which makes one slash of two
        self._urls[path] = url
        return FoundPicture(path, relative, was_named=was_named)


def _file_name(url: str) -> str:
    """The last part of a URL, as a file may be called."""
    path = unquote(urlsplit(url).path) if protocol_of(url) in WEB_PROTOCOLS else url
    return PurePosixPath(path).name


def _list(store: Any, root: str, *, recursive: bool) -> list[str]:
    """All files of a folder, in order; none if it is not there."""
    store.invalidate_cache()
    try:
        if recursive:
            return sorted(store.find(root))
        return sorted(str(entry["name"]) for entry in store.ls(root, detail=True) if entry["type"] == "file")
    except FileNotFoundError:
        return []


def _place_below(path: str, root: str) -> Path | None:
    """Where a picture lies below a folder; nothing if it is no picture, hidden, or elsewhere.

    Names of an object may hold ``..``, which would lead out of the folder of results.
    """
    if not path.startswith(root.rstrip("/") + "/"):
        return None
    relative = PurePosixPath(path[len(root.rstrip("/")) + 1 :].lstrip("/"))
    is_hidden = any(part.startswith(".") for part in relative.parts)
    return Path(relative) if relative.suffix.lower() in PICTURE_SUFFIXES and not is_hidden else None


def existing(names: Iterable[str]) -> set[str]:
    """Those of these URLs and paths behind which there is more than an empty file; a folder of a store is listed once.

    Raises:
        ConfigError: a store does not answer.
    """
    there, folders = set(), dict[str, list[str]]()
    for name in names:
        if is_url(name):
            folders.setdefault(name.rpartition("/")[0], []).append(name)
        elif Path(name).is_file() and Path(name).stat().st_size:
            there.add(name)
    for folder, urls in folders.items():
        store, root = open_store(folder)
        with _told(folder):
            store.invalidate_cache()
            try:
                entries = store.ls(root, detail=True)
                taken = {PurePosixPath(entry["name"]).name for entry in entries if entry.get("size") != 0}
            except FileNotFoundError:
                continue
        there.update(url for url in urls if url.rpartition("/")[2] in taken)
    return there


def check_target(name: str) -> None:
    """Refuse what cannot be written to, before anything is computed.

    Raises:
        ConfigError: it is a web address, or its protocol is not known.
    """
    if not is_url(name):
        return
    if protocol_of(name) in WEB_PROTOCOLS:
        raise ConfigError(f"results must go to a folder or an object store: got {name}; name one with -o")
    open_store(name)
