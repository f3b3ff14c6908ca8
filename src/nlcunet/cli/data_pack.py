"""``nlcunet data pack``: photographs to shards of their most detailed tiles."""

from pathlib import Path
from typing import Annotated

import typer


def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs; subfolders are searched.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the shards.")],
    tile: Annotated[int, typer.Option("--tile", min=16, help="Side of the tiles in pixels; an even number.")] = 512,
    place: Annotated[
        str,
        typer.Option(
            help="Where to cut: detail, where there is most; central, in the middle; grid, everywhere without gaps."
        ),
    ] = "detail",
    keep_share: Annotated[
        float | None, typer.Option(help="Share of the tiles to keep, the most detailed first; by default 0.5.")
    ] = None,
    max_tiles: Annotated[int | None, typer.Option(min=1, help="Keep at most this many tiles.")] = None,
    per_photograph: Annotated[int, typer.Option(min=1, help="Keep at most this many tiles of one photograph.")] = 4,
    flat_db: Annotated[float, typer.Option(help="Never keep tiles flatter than this; higher is flatter.")] = 40.0,
    shard_mib: Annotated[int, typer.Option(min=1, help="Largest size of a shard in MiB.")] = 40,
    encoding: Annotated[
        str,
        typer.Option(
            help="webp: lossless, small; png: lossless, faster to load; avif: a quarter of the size, with loss; keep: "
            "as webp, but files that are one tile already go in as they are."
        ),
    ] = "webp",
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV with the column file and, if known, split, photo, licence, holder and source."),
    ] = None,
    valid_share: Annotated[float, typer.Option(help="Share of photographs held back for validation.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Decides which photographs are held back.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Number of decoders and encoders.")] = 2,
) -> None:
    """Cut photographs into tiles, keep those with most detail, and pack them into shards for training.

    Run it again after an interruption, or with more photographs: tiles that are there already are kept. Exit
    codes: 0 all done, 1 some pictures could not be used, 2 could not start.
    """
    from typing import get_args

    from nlcunet.cli.terminal import open_bars, open_screen
    from nlcunet.data.pack_sources import Encoding, PackSettings
    from nlcunet.data.packing import pack as run_packing
    from nlcunet.data.tiling import TilePlacing
    from nlcunet.errors import ConfigError
    from nlcunet.runtime import thread_limit

    if place not in get_args(TilePlacing) or encoding not in get_args(Encoding):
        raise ConfigError(
            f"--place must be one of {', '.join(get_args(TilePlacing))}, and --encoding one of "
            f"{', '.join(get_args(Encoding))}: got {place} and {encoding}"
        )
    settings = PackSettings(
        tile_px=tile,
        place=place,  # type: ignore[arg-type]  # checked above
        keep_share=0.5 if keep_share is None and max_tiles is None else keep_share,
        max_tiles=max_tiles,
        per_photograph=per_photograph,
        flat_db=flat_db,
        shard_mib=shard_mib,
        encoding=encoding,  # type: ignore[arg-type]  # checked above
        valid_share=valid_share,
        seed=seed,
    )
    screen = open_screen()
    with thread_limit(1), open_bars(screen) as bars:
        bar = bars.add_task("measure")
        done = run_packing(
            folder,
            output,
            settings,
            manifest=manifest,
            threads=threads,
            on_progress=lambda stage, count, total: bars.update(bar, description=stage, completed=count, total=total),
        )
    tiles = ", ".join(f"{count} {split}" for split, count in done.splits.items())
    size = sum(shard.bytes for shard in done.shards) / 2**20
    screen.print(f"{output}: {tiles} tiles in {len(done.shards)} shards, {size:.1f} MiB")
    screen.print(f"{done.flat} tiles were too flat, {done.reused} were there already")
    for reason in done.skipped:
        screen.print(f"skipped {reason}")
    if done.skipped:
        raise typer.Exit(1)
