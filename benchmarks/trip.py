"""How long the way of a picture through the code is: which files it enters, in order, and how often it changes.

Run: ``python benchmarks/trip.py [PICTURE] [-- FLAGS of nlcunet upscale]``. One picture goes through ``nlcunet upscale``
in this process; every call of a function of ours is noted, imports apart. A *stay* is a row of calls within one file.
Files of networks are left out: inside a network the way is the network's. Openings are counted where files are opened.
"""

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np

import nlcunet

ROOT = Path(nlcunet.__file__).parent
NETWORKS = ("models/", "tensors.py", "__init__.py")
OPENING = ("imaging/opening.py", "open_file")


def walk(run: Callable[[], object]) -> tuple[list[str], list[str], int]:
    """Do something, and note where it goes.

    Returns:
        The files in the order in which they are entered first, all stays, and how often a picture was opened.
    """
    stays: list[str] = []
    opened = [0]

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name == "<module>" or not code.co_filename.startswith(str(ROOT)):
            return
        file = Path(code.co_filename).relative_to(ROOT).as_posix()
        opened[0] += (file, code.co_name) == OPENING
        if not file.startswith(NETWORKS) and not file.endswith("__init__.py") and stays[-1:] != [file]:
            stays.append(file)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return list(dict.fromkeys(stays)), stays, opened[0]


def enlarge(source: Path, target: Path, flags: list[str]) -> None:
    """As typed at the shell."""
    from nlcunet.cli.app import app

    app(["upscale", str(source), "-o", str(target), "--overwrite", *flags], standalone_mode=False)


def main() -> None:
    before, _, flags = " ".join(sys.argv[1:]).partition("--")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(before.strip() or Path(folder) / "in.png"), Path(folder) / "out.png"
        if not source.exists():
            from nlcunet.imaging.files import Picture, write_picture

            pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            write_picture(Picture(pixels=pixels), source)
        enlarge(source, target, flags.split())  # everything is imported and loaded once
        files, stays, opened = walk(lambda: enlarge(source, target, flags.split()))
    print("\n".join(files))
    print(f"{len(files)} files, {len(stays)} stays, {opened} openings")


if __name__ == "__main__":
    main()
