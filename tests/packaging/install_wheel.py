"""Install a wheel into a fresh environment, and enlarge a small picture with it, far from the source code.

Run: ``python tests/packaging/install_wheel.py nlcunet.whl [--torch-index URL] [--borrow]``. With ``--borrow`` the
libraries that nlcunet needs come from the environment that runs this, so that nothing is downloaded.
"""

import argparse
import os
import site
import struct
import subprocess
import sys
import tempfile
import venv
import zlib
from pathlib import Path


def write_png(path: Path, width: int, height: int) -> None:
    """A grey ramp: written by hand, because a fresh environment has no other library for pictures."""
    rows = b"".join(b"\0" + bytes(255 * x // width for x in range(width)) for _ in range(height))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def main() -> None:
    """Install, enlarge, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--torch-index", help="where PyTorch is taken from")
    parser.add_argument("--borrow", action="store_true", help="take the libraries of this environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "fresh")
        programs = folder / "fresh" / ("Scripts" if os.name == "nt" else "bin")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["NLCUNET_CACHE"] = str(folder / "cache")
        pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check"]
        pip += ["install", "--quiet", "--no-compile"]

        def run(*command: str | Path) -> str:
            done = subprocess.run(
                command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE, encoding="utf-8"
            )
            if done.returncode:
                sys.exit(f"{' '.join(map(str, command))} must succeed: got exit code {done.returncode}; see above")
            return done.stdout.strip()

        if options.torch_index:
            run(*pip, "--index-url", options.torch_index, "torch")
        run(*pip, *(["--no-deps"] if options.borrow else []), options.wheel.resolve())
        if options.borrow:
            packages = run(programs / "python", "-c", "import site; print(site.getsitepackages()[0])")
            Path(packages, "borrowed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
        place = Path(run(programs / "python", "-c", "import nlcunet; print(nlcunet.__file__)"))
        if not place.resolve().is_relative_to(folder.resolve()):
            sys.exit(f"nlcunet must come from the wheel: got {place}; unset what leads Python there")
        write_png(folder / "small.png", 24, 16)
        run(programs / "nlcunet", "upscale", "small.png", "-m", "4x-NLCUnet-S", "-o", "large.png")
        if png_size(folder / "large.png") != (96, 64):
            sys.exit(f"24×16 pixels must become 96×64: got {png_size(folder / 'large.png')}; try it by hand")
        print(f"{options.wheel.name}: installed, and 24×16 pixels became 96×64")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
