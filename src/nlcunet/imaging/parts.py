"""What becomes of every part of a picture file: one table per container.

Whatever is not in the table is left out with a note, so that no part can vanish unnoticed. docs/files.md shows the
tables as :func:`parts_as_markdown` writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from nlcunet.imaging.formats import FileBytes


class Fate(Enum):
    """What becomes of a part."""

    PIXELS = "read into the pixels"
    KEPT = "kept"
    OUTDATED = "left out: true of the old file only"
    NOTED = "left out, with a note"


@dataclass(frozen=True)
class FilePart:
    """A kind of part."""

    mark: str
    name: str
    fate: Fate


def _parts(fate: Fate, **names: str) -> dict[str, FilePart]:
    return {mark: FilePart(mark, name, fate) for mark, name in names.items()}


PNG = {
    **_parts(Fate.PIXELS, IHDR="header", PLTE="palette", IDAT="pixels", IEND="end", tRNS="transparent colours"),
    **_parts(
        Fate.KEPT, eXIf="EXIF", pHYs="resolution", iCCP="colour profile", sRGB="sRGB", gAMA="exponent, as a profile"
    ),
    **_parts(
        Fate.KEPT, cHRM="primaries, as a profile where gAMA is told, too", tEXt="text", zTXt="text", iTXt="text, XMP"
    ),
    **_parts(Fate.OUTDATED, tIME="time of the last change", hIST="use of the palette", sBIT="bits before scaling"),
    **_parts(Fate.OUTDATED, iDOT="offsets of Apple", acTL="animation of one frame", fcTL="frame control"),
    **_parts(Fate.NOTED, bKGD="background colour", sPLT="suggested palette", cICP="colour codes (HDR, wide gamut)"),
    **_parts(Fate.NOTED, mDCV="mastering display", cLLI="light level", mDCv="mastering display", cLLi="light level"),
    **_parts(Fate.NOTED, oFFs="place on a page", pCAL="calibration of values", sCAL="size of a pixel in the world"),
    **_parts(Fate.NOTED, sTER="stereo layout", dSIG="signature", caBX="content credentials", gIFg="GIF control"),
    **_parts(
        Fate.NOTED, gIFx="GIF extension", vpAg="page of ImageMagick", caNv="canvas", orNT="orientation of ImageMagick"
    ),
    **_parts(Fate.NOTED, fdAT="frames of an animation"),
}

JPEG = {
    part.mark: part
    for part in (
        FilePart("APP0 JFIF", "resolution", Fate.KEPT),
        FilePart("APP0 JFXX", "thumbnail", Fate.OUTDATED),
        FilePart("APP1 Exif", "EXIF", Fate.KEPT),
        FilePart("APP1 http://ns.adobe.com/xap/1.0/", "XMP", Fate.KEPT),
        FilePart("APP1 http://ns.adobe.com/xmp/extension/", "extended XMP", Fate.NOTED),
        FilePart("APP2 ICC_PROFILE", "colour profile", Fate.KEPT),
        FilePart("APP2 MPF", "further pictures (gain maps, second views); previews go in silence", Fate.NOTED),
        FilePart("APP2 urn:iso:std:iso:ts:21496:-1", "HDR gain map", Fate.NOTED),
        FilePart("APP2 FPXR", "FlashPix extension", Fate.NOTED),
        FilePart("APP11 JP", "JUMBF boxes (content credentials)", Fate.NOTED),
        FilePart("APP12 Ducky", "quality of an export", Fate.OUTDATED),
        FilePart("APP13 Photoshop 3.0", "IPTC; other resources are noted by number", Fate.KEPT),
        FilePart("APP13 Adobe_CM", "colour management of Photoshop", Fate.OUTDATED),
        FilePart("APP14 Adobe", "colour transform", Fate.PIXELS),
        FilePart("COM", "comment, as a text", Fate.KEPT),
    )
}

WEBP = {
    **_parts(Fate.PIXELS, VP8="pixels", VP8L="pixels", VP8X="header", ALPH="alpha", ANIM="animation of one frame"),
    **_parts(Fate.PIXELS, ANMF="single frame"),
    **_parts(Fate.KEPT, ICCP="colour profile", EXIF="EXIF", XMP="XMP"),
}

HEIF = {
    **_parts(Fate.PIXELS, hvc1="pixels", av01="pixels", grid="tiles", iden="turned or cropped picture", iovl="overlay"),
    **_parts(Fate.PIXELS, jpeg="pixels", j2k1="pixels", unci="pixels", vvc1="pixels", avc1="pixels"),
    **_parts(Fate.KEPT, Exif="EXIF", alpha="alpha"),
    "mime": FilePart("mime", "XMP; other texts are noted", Fate.KEPT),
    "thmb": FilePart("thmb", "thumbnail", Fate.OUTDATED),
    **_parts(
        Fate.NOTED,
        tmap="HDR gain map",
        hdrgainmap="HDR gain map of Apple",
        depth="depth map",
        c2pa="content credentials",
    ),
}

TIFF = {
    part.mark: part
    for part in (
        FilePart("256 … 351, 512 … 532", "how pixels are stored", Fate.PIXELS),
        FilePart("338", "extra channels: the first marked as alpha is kept, others are noted", Fate.KEPT),
        FilePart("700", "XMP", Fate.KEPT),
        FilePart("33723", "IPTC", Fate.KEPT),
        FilePart("34675", "colour profile", Fate.KEPT),
        FilePart("34665, 34853, 40965", "EXIF, GPS, interoperability", Fate.KEPT),
        FilePart("330, smaller pages", "smaller copies, thumbnails", Fate.OUTDATED),
        FilePart("400", "profile of a fax", Fate.OUTDATED),
        FilePart("pages that are masks", "transparency mask", Fate.NOTED),
        FilePart("34377", "resources of Photoshop but for IPTC", Fate.NOTED),
        FilePart("37724", "layers of Photoshop", Fate.NOTED),
        FilePart("all others", "as EXIF, geo tags included", Fate.KEPT),
    )
}

BMP = {
    part.mark: part
    for part in (
        FilePart("header", "size, resolution, masks, palette", Fate.PIXELS),
        FilePart("profile", "colour profile inside the file", Fate.KEPT),
        FilePart("fourth byte", "of 32 bits, not marked as alpha and not empty", Fate.NOTED),
    )
}

CONTAINERS = {"PNG": PNG, "JPEG": JPEG, "WebP": WEBP, "AVIF, HEIC": HEIF, "TIFF": TIFF, "BMP": BMP}


def noted(table: dict[str, FilePart], mark: str, unknown: str) -> Iterator[str]:
    """The name of a part if it is to be noted."""
    part = table.get(mark)
    if part is None:
        yield f"unknown {unknown}"
    elif part.fate is Fate.NOTED:
        yield f"{part.name} ({part.mark})"


def behind(data: FileBytes, end: int, explained: int = 0) -> Iterator[str]:
    """What lies behind the picture, unless it is only padding."""
    rest = bytes(data[end:])
    if len(rest.strip(b"\x00")) > explained:
        yield f"{len(rest) - explained:,} bytes behind the picture{' (with a video)' if b'ftyp' in rest else ''}"


def clean(text: str) -> str:
    """Text without what a terminal could take for a command."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def parts_as_markdown() -> str:
    """All tables as one, in Markdown."""
    lines = ["| file | what becomes of it | parts |", "|---|---|---|"]
    for container, parts in CONTAINERS.items():
        for fate in Fate:
            listed = [f"`{part.mark}` ({part.name})" for part in parts.values() if part.fate is fate]
            if fate is Fate.NOTED and container not in {"TIFF", "BMP"}:
                listed.append("any other")
            if listed:
                lines.append(f"| {container} | {fate.value} | {', '.join(listed)} |")
    return "\n".join(lines)
