"""Paths as people write them, and files that come inside the package; light enough for a shell that waits."""

from importlib import resources
from pathlib import Path


def expand_home(path: Path | str) -> Path:
    """A path with ``~`` or ``~user`` at its beginning as that user's folder.

    A file may be called so: where one is there under the very name, or no such user is known, the path stays as it is.
    """
    path = Path(path)
    try:
        return path if path.is_symlink() or path.exists() else path.expanduser()
    except (RuntimeError, OSError):  # there is no such user, or the name is too long to be looked up
        return path


def embedded_names(folder: str, ending: str) -> tuple[str, ...]:
    """Names of the files in a folder of the package, in order and without their ending."""
    inside = resources.files("nlcunet") / folder
    return tuple(sorted(file.name.removesuffix(ending) for file in inside.iterdir() if file.name.endswith(ending)))
