"""Which files of a folder are pictures."""

from pathlib import Path

from nlcunet.imaging.formats import PICTURE_SUFFIXES


def list_pictures(folder: Path, *, recursive: bool = False) -> list[Path]:
    """The picture files of a folder by their endings, in the order of their names.

    Hidden files, and what lies in hidden folders below it, are left out.

    Args:
        folder: Where to look.
        recursive: In folders inside it, too.
    """
    return sorted(
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
