"""What each file format keeps, found out by writing and reading: prints the first table of docs/files.md.

Usage: python benchmarks/file_formats.py
       python benchmarks/file_formats.py --parts    puts the table of parts into docs/files.md
"""

import argparse
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyvips

from nlcunet.imaging.exif import directory_to_exif
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture, writable_formats
from nlcunet.imaging.formats import FORMATS
from nlcunet.imaging.parts import parts_as_markdown
from nlcunet.imaging.tiff_tags import ASCII, EXIF_POINTER, MAKER_NOTE, UNDEFINED, Directory, Value

CAMERA = Directory(
    {0x9003: Value(ASCII, 20, b"2026:05:17 12:34:56\x00"), MAKER_NOTE: Value(UNDEFINED, 9, b"a secret\x00")}
)
EXIF = directory_to_exif(Directory({0x010F: Value(ASCII, 7, b"Camera\x00")}, {EXIF_POINTER: CAMERA}))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rights>M\xc3\xbcller</rights></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x05Pier."
COLUMNS = ("8 bit", "16 bit", "float", "grey", "alpha", "ICC", "EXIF", "XMP", "IPTC", "DPI", "longest side")


def gradient(dtype: type, channels: int) -> np.ndarray:
    """A smooth picture."""
    rows, columns = np.mgrid[0:48, 0:64]
    image = np.stack([rows / 48, columns / 64, (rows + columns) / 112][:channels], axis=2)
    return image.astype(np.float32) if dtype == np.float32 else np.rint(image * np.iinfo(dtype).max).astype(dtype)


def as_unit(samples: np.ndarray) -> np.ndarray:
    """Samples in [0, 1]."""
    return samples.astype(float) / (1 if samples.dtype == np.float32 else np.iinfo(samples.dtype).max)


def round_trip(picture: Picture, name: str) -> Picture:
    """Write and read at the best quality."""
    lossy = FORMATS[name].default_quality is not None
    return read_picture(encode_picture(picture, file_format=name, quality=100 if lossy else None))


def depth(name: str, dtype: type) -> str:
    """How samples of a type come back."""
    pixels = gradient(dtype, 3)
    copy = round_trip(Picture(pixels=pixels), name).pixels
    error = np.abs(as_unit(copy) - as_unit(pixels)).max()
    if copy.dtype == dtype and error == 0:
        return "exact"
    if copy.dtype == dtype and dtype == np.uint8:
        return f"within {round(error * 255)}/255"
    return f"→ {FORMATS[name].max_bits} bit"


def row(name: str) -> list[str]:
    """All cells of a format."""
    grey = round_trip(Picture(pixels=gradient(np.uint8, 1)), name).pixels.shape[2] == 1
    plain = Picture(pixels=gradient(np.uint8, 3))
    alpha = round_trip(replace(plain, alpha=gradient(np.uint8, 1)[:, :, 0]), name).alpha
    full = Metadata(
        icc_profile=bytes(pyvips.Operation.call("profile_load", "p3")),
        exif=EXIF,
        xmp=XMP,
        iptc=IPTC,
        dots_per_inch=(300.0, 240.0),
    )
    copy = round_trip(replace(plain, metadata=full), name).metadata
    alone = round_trip(replace(plain, metadata=Metadata(dots_per_inch=(300.0, 240.0))), name).metadata
    exif = (
        "no"
        if copy.exif is None
        else "every byte"
        if copy.exif == EXIF
        else "every tag"
        if has_tags(copy.exif)
        else "part"
    )
    dots = "yes" if copy.dots_per_inch == full.dots_per_inch else "in EXIF" if alone.dots_per_inch else "no"
    return [
        *(depth(name, dtype) for dtype in (np.uint8, np.uint16, np.float32)),
        "yes" if grey else "→ RGB",
        "→ white" if alpha is None else "yes",
        *("yes" if getattr(copy, kind) == getattr(full, kind) else "no" for kind in ("icc_profile",)),
        exif,
        *("yes" if getattr(copy, kind) == getattr(full, kind) else "no" for kind in ("xmp", "iptc")),
        dots,
        f"{FORMATS[name].max_side_px:,}" if FORMATS[name].max_side_px < 2**31 - 1 else "–",
    ]


def has_tags(exif: bytes) -> bool:
    """Whether the values are all in the block, wherever."""
    return all(text in exif for text in (b"Camera\x00", b"2026:05:17 12:34:56\x00", b"a secret\x00"))


def write_parts(page: Path) -> None:
    """Put the table of parts between its marks."""
    before, opening, rest = page.read_text(encoding="utf-8").partition("--parts` -->\n")
    _, closing, after = rest.partition("<!-- /parts -->")
    page.write_text(f"{before}{opening}\n{parts_as_markdown()}\n\n{closing}{after}", encoding="utf-8")


def main() -> None:
    """Print the table, or write the other one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", action="store_true")
    if parser.parse_args().parts:
        write_parts(Path(__file__).parents[1] / "docs" / "files.md")
        return
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    print(f"libvips {version}, pyvips {pyvips.__version__}, {struct.calcsize('P') * 8} bit\n")
    print("| format |", " | ".join(COLUMNS), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name in writable_formats():
        print(f"| {name} |", " | ".join(row(name)), "|")


if __name__ == "__main__":
    main()
