"""``nlcunet data fetch``: picture sets by name, from their publishers to a folder."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from nlcunet.data.fetching.catalogue import PictureSet
    from nlcunet.data.fetching.sets import Checked, Fetched
    from nlcunet.files.download import DownloadListener


def fetch(
    *,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which set; --list shows them.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Keep sets here, each in its own folder.")
    ] = Path("datasets"),
    list_sets: Annotated[bool, typer.Option("--list", help="List all sets with their size and terms of use.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check a set that you have; download nothing.")] = False,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep the archives after unpacking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result, or the list, as JSON.")] = False,
) -> None:
    """Download a set of pictures, check and unpack it, and write its manifest. A finished set is left alone.

    An interrupted download continues where it stopped. Proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
    """
    from nlcunet.data.fetching.catalogue import SETS, find_set
    from nlcunet.errors import ConfigError

    if list_sets:
        show_sets([find_set(name)] if name is not None else list(SETS.values()), as_json=as_json)
        return
    if name is None:
        raise ConfigError("data fetch needs the name of a set: got none; see nlcunet data fetch --list")
    found = find_set(name)
    if check:
        from nlcunet.data.fetching.sets import check_set

        tell_checked(check_set(found, output), as_json=as_json)
    else:
        tell_fetched(found, _fetch(found, output, keep_archives=keep_archives), as_json=as_json)


def _fetch(found: "PictureSet", folder: Path, *, keep_archives: bool) -> "Fetched":
    """Fetch with bars on a terminal, and sentences on standard error."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.data.fetching.open_photos import fetch_open_photos
    from nlcunet.data.fetching.sets import fetch_set

    screen = open_screen()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    fetcher = fetch_open_photos if found.name == "open-photos" else fetch_set
    screen.print(f"{found.name}: {found.terms}")
    with open_bars(screen, *columns) as bars:
        return fetcher(found, folder, listener=make_listener(screen, bars), keep_archives=keep_archives)


def make_listener(screen: "Console", bars: "Progress") -> "DownloadListener":
    """Sentences go to the screen, and each file has a bar."""
    from nlcunet.files.download import DownloadListener

    tasks: dict[str, Any] = {}

    def move(name: str, done: int, total: int | None) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done, total=total)

    return DownloadListener(say=screen.print, move=move)


def tell_fetched(found: "PictureSet", fetched: "Fetched", *, as_json: bool) -> None:
    """What became of it; leaves with 1 if pictures are missing."""
    import json

    if as_json:
        values = {
            "name": fetched.name,
            "folder": str(fetched.folder),
            "pictures": fetched.pictures,
            "was_there": fetched.was_there,
            "downloaded_bytes": fetched.downloaded_bytes,
            "seconds": round(fetched.seconds, 3),
            "licence": found.licence,
            "notes": list(fetched.notes),
            "missing": list(fetched.missing),
        }
        typer.echo(json.dumps(values, ensure_ascii=False))
    elif fetched.was_there:
        typer.echo(f"{fetched.folder}: {fetched.pictures:,} pictures, was there")
    else:
        loaded = f"{fetched.downloaded_bytes / 1e6:,.1f} MB in {fetched.seconds:,.0f} s"
        typer.echo(f"{fetched.folder}: {fetched.pictures:,} pictures, {loaded}")
        typer.echo(f"please cite: {found.citation}")
    for line in fetched.notes:
        typer.echo(f"note: {line}", err=True)
    for line in fetched.missing:
        typer.echo(f"missing: {line}", err=True)
    if fetched.missing:
        raise typer.Exit(1)


def tell_checked(checked: "Checked", *, as_json: bool) -> None:
    """What was found; leaves with 1 if anything is wrong."""
    import json

    if as_json:
        typer.echo(json.dumps(asdict(checked), ensure_ascii=False, default=str))
    else:
        how = "every byte as in the manifest" if checked.has_manifest else "no manifest, so number and names only"
        typer.echo(f"{checked.folder}: {checked.pictures:,} pictures, {len(checked.problems)} problems ({how})")
    for line in checked.problems:
        typer.echo(line, err=True)
    if checked.problems:
        raise typer.Exit(1)


def show_sets(sets: "list[PictureSet]", *, as_json: bool) -> None:
    """The catalogue, as a table or as JSON."""
    import json

    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps([set_as_json(found) for found in sets], indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("set", "pictures", "download", "for", "terms"):
        table.add_column(heading, justify="right" if heading in {"pictures", "download"} else "left")
    for found in sets:
        table.add_row(found.name, f"{found.pictures:,}", size_in_words(found), found.use, found.terms)
    Console(highlight=False, markup=False).print(table)


def size_in_words(found: "PictureSet") -> str:
    """The size of a download for people."""
    if found.by_hand:
        return "by hand"
    size = download_bytes_of(found)
    if size is None:
        return "unknown"
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def download_bytes_of(found: "PictureSet") -> int | None:
    """How much comes over the network, as far as known."""
    from nlcunet.data.fetching.catalogue import download_bytes
    from nlcunet.data.fetching.open_photos_packages import PACKAGES

    if found.name == "open-photos":
        return sum(package.size_bytes for package in PACKAGES.values())
    return download_bytes(found)


def set_as_json(found: "PictureSet") -> dict[str, Any]:
    """All that the catalogue says of a set."""
    archives = [archive for alternatives in found.parts for archive in alternatives]
    return {
        "name": found.name,
        "pictures": found.pictures,
        "download_bytes": download_bytes_of(found),
        "for": found.use,
        "licence": found.licence,
        "terms": found.terms,
        "citation": found.citation,
        "homepage": found.homepage,
        "joins": list(found.joins),
        "by_hand": bool(found.by_hand),
        "files": [
            {
                "name": archive.wanted.name,
                "urls": list(archive.wanted.urls),
                "bytes": archive.wanted.size_bytes,
                "about_bytes": archive.about_bytes,
                "checksum": f"{digest.algorithm}:{digest.value}" if (digest := archive.wanted.digest) else None,
                "checksum_published_by": digest.origin if digest else None,
                "pictures_md5": archive.pictures_md5,
            }
            for archive in archives
        ],
    }
