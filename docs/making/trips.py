"""Writes docs/trips.md: the ways of a picture, a training patch and a request through the code, file by file.

Each trip is made in this process, and every call of a function of ours is noted; imports are not. Files of networks are
left out: inside a network the way is the network's. A *stay* is a row of calls within one file.

    python docs/making/trips.py            writes the page
    python docs/making/trips.py --check    says whether a trip has come to another file than the page names
"""

import argparse
import ast
import io
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

import nlcunet
from nlcunet.imaging.files import Picture, encode_picture, write_picture

SOURCE = Path(nlcunet.__file__).parent
PAGE = Path(__file__).parents[1] / "trips.md"
LEFT_OUT = ("models/", "metrics/", "tensors.py", "version.py")
HEAD = """# Trips through the code

Which files a picture, a training patch and a request come by, in the order in which each is entered first. Noted while
it happens, by `python docs/making/trips.py`; files of networks are left out. The words are the first lines of the
files.

"""
OPENING = ("imaging/opening.py", "open_file")


@dataclass(frozen=True, kw_only=True)
class Walked:
    """Where something went."""

    files: tuple[str, ...]
    """Files below the package in the order in which they were entered first."""
    stays: int
    """How often the way went from one file to another, and the first stay."""
    openings: int
    """How often a picture file was opened."""


def walk(run: Callable[[], object]) -> Walked:
    """Do something, and note where it goes, in all threads that it starts."""
    stays: list[str] = []
    openings: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name == "<module>" or not code.co_filename.startswith(str(SOURCE)):
            return
        file = Path(code.co_filename).relative_to(SOURCE).as_posix()
        if (file, code.co_name) == OPENING:
            openings.append(file)
        if not file.startswith(LEFT_OUT) and not file.endswith("__init__.py") and stays[-1:] != [file]:
            stays.append(file)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return Walked(files=tuple(dict.fromkeys(stays)), stays=len(stays), openings=len(openings))


def drawn_picture(side: int = 64) -> Picture:
    """A disc: nothing in it looks like damage."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    disc = 1 / (1 + np.exp(np.hypot(rows, columns) - side / 3))
    return Picture(pixels=np.repeat((40 + 180 * disc)[..., None], 3, axis=2).astype(np.uint8))


def walk_picture(folder: Path) -> Walked:
    """One picture through ``nlcunet upscale``, with weights that are named."""
    from nlcunet.cli.app import app

    write_picture(drawn_picture(), folder / "in.png")
    command = ["upscale", str(folder / "in.png"), "-o", str(folder / "out.png"), "-m", "4x-NLCUnet-S", "--overwrite"]

    def run() -> None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            app([*command, "--threads", "1"], standalone_mode=False)

    run()  # so that all is imported and loaded
    return walk(run)


def walk_patch(folder: Path) -> Walked:
    """The first step of a training."""
    from nlcunet.training.loop import train
    from nlcunet.training.processes import start_processes
    from nlcunet.training.recipe_file import read_recipe

    photographs = folder / "photographs"
    photographs.mkdir()
    for number in range(3):
        write_picture(drawn_picture(96 + 8 * number), photographs / f"{number}.png")
    settings = {
        "data.photographs": str(photographs),
        "data.validation": str(photographs),
        "data.manifest": None,
        "data.degradation": "photo",
        "data.patch_px": 16,
        "data.workers": 0,
        "network.init": None,
        "network.overrides": {"width": 8, "depths": [1, 0, 1, 0, 0, 0], "chunk_size": 16},
        "optim.steps": 1,
        "optim.batch": 1,
        "optim.warmup_steps": 0,
        "optim.decay_steps": 0,
        "validation.every_steps": 1,
        "validation.pictures": 1,
        "validation.crop_px": 64,
        "compile": False,
        "precision": "float32",
    }
    recipe = read_recipe("nlcunet_s_x2_photo", settings)
    return walk(lambda: train(recipe, folder / "run", processes=start_processes("cpu")))


def walk_request(folder: Path) -> Walked:
    """A picture that comes by REST and is waited for."""
    from fastapi.testclient import TestClient

    from nlcunet.server.app import make_app
    from nlcunet.server.settings import ServerSettings

    data = encode_picture(drawn_picture(), file_format="png")
    settings = ServerSettings(
        folder=folder / "served", models=("bicubic-x2",), default_model="bicubic-x2", device="cpu", has_page=False
    )

    def run() -> None:
        with TestClient(make_app(settings), base_url="http://localhost") as client:
            client.post("/v1/upscale", files={"file": ("in.png", data, "image/png")}).raise_for_status()

    return walk(run)


TRIPS: dict[str, Callable[[Path], Walked]] = {
    "A picture": walk_picture,
    "A training patch": walk_patch,
    "A request": walk_request,
}


def first_line(file: str) -> str:
    """What a file says it is, up to the first full stop or the end of its first line."""
    text = ast.get_docstring(ast.parse((SOURCE / file).read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].rstrip(".")


def described(name: str, walked: Walked) -> str:
    """A section of the page."""
    opened = f", {walked.openings} opening{'s' * (walked.openings != 1)} of a picture file" if walked.openings else ""
    what = (TRIPS[name].__doc__ or "").rstrip(".")
    lines = [f"## {name}", "", f"{what}: {len(walked.files)} files, {walked.stays} stays{opened}.", ""]
    lines += [f"{number}. `{file}`: {first_line(file)}" for number, file in enumerate(walked.files, start=1)]
    return "\n".join(lines)


def named_files(page: str, name: str) -> tuple[str, ...]:
    """The files that the page names for a trip."""
    section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
    return tuple(line.split("`")[1] for line in section.splitlines() if "`" in line and line[0].isdigit())


def make_trip(name: str) -> Walked:
    """One of the trips, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return TRIPS[name](Path(folder))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    walked = {name: make_trip(name) for name in TRIPS}
    if options.check:
        page = PAGE.read_text(encoding="utf-8")
        wrong = [name for name, one in walked.items() if set(named_files(page, name)) != set(one.files)]
        for name in wrong:
            sys.stderr.write(f"{name}: the page is of yesterday; run python docs/making/trips.py\n")
        return bool(wrong)
    PAGE.write_text(HEAD + "\n\n".join(described(name, one) for name, one in walked.items()) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
