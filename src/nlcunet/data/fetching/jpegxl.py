"""JPEG XL where libvips cannot decode it, by whatever else this machine has; none of it is needed otherwise."""

import shutil
import subprocess
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nlcunet.errors import UnreadableImageError
from nlcunet.imaging.files import Metadata, Picture, read_picture, readable_formats

ADVICE = "pip install pillow pillow-jxl-plugin, or install djxl (Debian: libjxl-tools)"
_SECONDS = 600
_PILLOW, _PLUGIN = "PIL.Image", "pillow_jxl"
"""Found at run time if somebody has installed them."""


def jpegxl_decoder() -> str | None:
    """What decodes JPEG XL here: ``libvips``, ``pillow``, ``djxl``, or nothing."""
    if "jxl" in readable_formats():
        return "libvips"
    if find_spec(_PLUGIN) is not None and find_spec("PIL") is not None:
        return "pillow"
    return "djxl" if shutil.which("djxl") else None


def read_jpegxl(path: Path) -> Picture:
    """A JPEG XL picture.

    Raises:
        UnreadableImageError: Nothing here decodes it, or what does says that it is damaged.
    """
    match jpegxl_decoder():
        case "libvips":
            return read_picture(path)
        case "pillow":
            return _read_with_pillow(path)
        case "djxl":
            return _read_with_djxl(path)
        case _:
            raise UnreadableImageError(f"{path.name} must be decoded: got JPEG XL, which nothing here reads; {ADVICE}")


def _read_with_pillow(path: Path) -> Picture:
    """By the plugin of Pillow (https://pypi.org/project/pillow-jxl-plugin)."""
    import_module(_PLUGIN)  # registers itself
    pillow: Any = import_module(_PILLOW)
    try:
        with pillow.open(path) as opened:
            profile = opened.info.get("icc_profile")
            pixels = np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        raise UnreadableImageError(f"{path.name} must be a whole JPEG XL file: got {error}; fetch it again") from error
    return Picture(pixels=pixels.copy(), metadata=Metadata(icc_profile=profile or None), source_format="jxl")


def _read_with_djxl(path: Path) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "decoded.png"
        command = ["djxl", str(path), str(target), "--bits_per_sample=8"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - fixed
        if done.returncode:
            raise UnreadableImageError(f"{path.name} must be a whole JPEG XL file: got {done.stderr.strip()}")
        return read_picture(target)
