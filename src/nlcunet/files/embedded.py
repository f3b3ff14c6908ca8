"""Files that come inside the package, by their names; light enough for a shell that waits for completions."""

from importlib import resources


def embedded_names(folder: str, ending: str) -> tuple[str, ...]:
    """Names of the files in a folder of the package, in order and without their ending.

    Args:
        folder: ``"weights"`` or ``"recipes"``.
        ending: as ``".yaml"``; files with another one are left out.
    """
    inside = resources.files("nlcunet") / folder
    return tuple(sorted(file.name.removesuffix(ending) for file in inside.iterdir() if file.name.endswith(ending)))
