"""Metadata in and out of encoded files, byte for byte.

libvips rebuilds EXIF blocks from the tags that it knows, writes a resolution where none is known, and has no EXIF in
TIFF files at all; so it only writes pixels and profile, and the rest is placed here.
"""

import struct

from nlcunet.imaging import exif as exif_blocks
from nlcunet.imaging import tiff_tags as tags
from nlcunet.imaging.containers import jpeg_segments, riff_chunk, riff_chunks
from nlcunet.imaging.formats import FileBytes
from nlcunet.imaging.photoshop import PHOTOSHOP_SEGMENT, block_of_iptc, iptc_in, photoshop_block
from nlcunet.imaging.picture import Metadata
from nlcunet.imaging.tiff_tags import Layout, Value

COMMENT = "Comment"
"""Keyword of the texts that a JPEG keeps as its comments; also one of PNG's own."""

_MAX_SEGMENT_BYTES = 65_533
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\x00"
_VP8X_ALPHA, _VP8X_EXIF, _VP8X_XMP = 0x10, 0x08, 0x04
_HEIF_MARK = b"place of the EXIF block of this picture"


def embed_jpeg(data: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """A JPEG without a header of its own, with EXIF, XMP, IPTC and resolution; notes tell what is too large."""
    notes = []
    across, down = metadata.dots_per_inch or (0.0, 0.0)
    density = struct.pack(">BHH", int(across > 0), *(min(max(round(x), 1), 0xFFFF) for x in (across, down)))
    segments = _jpeg_segment(0xE0, b"JFIF\x00\x01\x02" + density + b"\x00\x00")
    for name, marker, content in (
        ("EXIF block", 0xE1, metadata.exif and exif_blocks.with_prefix(metadata.exif)),
        ("XMP packet", 0xE1, metadata.xmp and _XMP_SEGMENT + metadata.xmp),
        ("IPTC block", 0xED, metadata.iptc and PHOTOSHOP_SEGMENT + block_of_iptc(metadata.iptc)),
    ):
        if content and len(content) > _MAX_SEGMENT_BYTES:
            notes.append(f"The {name} is too large for JPEG ({len(content):,} bytes) and was left out.")
        elif content:
            segments += _jpeg_segment(marker, content)
    for keyword, text in metadata.texts:
        comment = text.encode("utf-8", "replace")
        if keyword == COMMENT and len(comment) > _MAX_SEGMENT_BYTES:
            notes.append(f"A comment is too large for JPEG ({len(comment):,} bytes) and was left out.")
        elif keyword == COMMENT:
            segments += _jpeg_segment(0xFE, comment)
    return data[:2] + segments + data[2:], tuple(notes)


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def comments_in_jpeg(data: FileBytes) -> tuple[tuple[str, str], ...]:
    """The comments of a JPEG as texts."""
    found = [bytes(data[start : start + length]) for marker, start, length in jpeg_segments(data) if marker == 0xFE]
    return tuple((COMMENT, _comment_text(content.rstrip(b"\x00"))) for content in found)


def _comment_text(content: bytes) -> str:
    """A comment in UTF-8, or else in Latin-1, which any bytes are."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def iptc_in_jpeg(data: FileBytes) -> bytes | None:
    """IPTC-IIM records of a JPEG."""
    return iptc_in(photoshop_block(data))


def embed_webp(data: bytes, metadata: Metadata, size: tuple[int, int], *, has_alpha: bool) -> bytes:
    """A WebP with EXIF and XMP in place, in the extended form that they need."""
    chunks = {kind: data[start : start + length] for kind, start, length in riff_chunks(data)}
    canvas = b"".join((side - 1).to_bytes(3, "little") for side in size)
    extended = bytearray(chunks.pop(b"VP8X", bytes([_VP8X_ALPHA * has_alpha, 0, 0, 0]) + canvas))
    for kind, flag, content in ((b"EXIF", _VP8X_EXIF, metadata.exif), (b"XMP ", _VP8X_XMP, metadata.xmp)):
        if content is not None:
            extended[0] |= flag
            chunks[kind] = content
    body = b"WEBP" + riff_chunk(b"VP8X", bytes(extended))
    body += b"".join(riff_chunk(kind, content) for kind, content in chunks.items())
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heif_placeholder(exif: bytes) -> bytes:
    """An EXIF block that libvips writes into a HEIF file in a recognisable form, with room for ``exif``."""
    filler = Value(tags.UNDEFINED, len(exif) + len(_HEIF_MARK), _HEIF_MARK.ljust(len(exif) + len(_HEIF_MARK), b"\x00"))
    block = tags.Directory(children={tags.EXIF_POINTER: tags.Directory({tags.MAKER_NOTE: filler})})
    return exif_blocks.with_prefix(exif_blocks.directory_to_exif(block))


def embed_heif(data: bytes, exif: bytes) -> bytes | None:
    """A HEIF file with EXIF in the place of :func:`heif_placeholder`, ``None`` if that is not found.

    The item of the EXIF block (ISO/IEC 23008-12, annex A.2.1) is four bytes of offset and the block; its extent in the
    item location box is shortened to what is used. Nothing else moves.
    """
    mark_at = data.find(_HEIF_MARK)
    block = exif_blocks.with_prefix(exif)
    block_at = data.rfind(block[:6], 0, max(mark_at, 0))
    item_at = block_at - 4
    location = data.find(struct.pack(">IHI", item_at, 1, 0)) if block_at > 0 else -1
    if location < 0 or location > item_at:
        return None
    length_at = location + 10
    (length,) = struct.unpack_from(">I", data, length_at)
    if item_at + length > len(data) or length < len(block) + 4:
        return None
    patched = bytearray(data)
    patched[block_at : item_at + length] = block.ljust(length - 4, b"\x00")
    struct.pack_into(">I", patched, length_at, len(block) + 4)
    return bytes(patched)


def embed_tiff(data: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """A TIFF with EXIF, XMP, IPTC and resolution, in a new main directory at its end; notes tell of damage."""
    layout = tags.read_layout(data)
    padded = bytearray(data + b"\x00" * (len(data) % 2))
    directory, notes = tiff_directory(data, layout, metadata, len(padded))
    struct.pack_into(layout.offset, padded, layout.first_offset_at, len(padded))
    return bytes(padded) + directory, notes


def tiff_directory(data: FileBytes, layout: Layout, metadata: Metadata, base: int) -> tuple[bytes, tuple[str, ...]]:
    """The main directory of a TIFF's first page with metadata added, to lie at ``base``; notes tell of damage."""
    notes: tuple[str, ...] = ()
    first_at = tags.read_offset(data, layout, layout.first_offset_at)
    directory = tags.read_directory(data, layout, first_at)
    for tag in (tags.X_RESOLUTION, tags.Y_RESOLUTION, tags.RESOLUTION_UNIT):
        directory.values.pop(tag, None)
    if metadata.exif is not None:
        try:
            photograph = exif_blocks.exif_to_directory(metadata.exif)
        except ValueError as error:
            photograph, notes = tags.Directory(), (f"The EXIF block is damaged ({error}) and was left out.",)
        directory.values = photograph.values | directory.values
        directory.children = photograph.children
    if metadata.dots_per_inch is not None:
        directory.values |= exif_blocks.resolution_values(metadata.dots_per_inch)
    if metadata.xmp is not None:
        directory.values[tags.XMP_PACKET] = Value(tags.BYTE, len(metadata.xmp), metadata.xmp)
    if metadata.iptc is not None:
        directory.values[tags.IPTC_RECORDS] = Value(tags.UNDEFINED, len(metadata.iptc), metadata.iptc)
    _, link_at = tags.read_slots(data, layout, first_at)
    link = tags.read_offset(data, layout, link_at)  # to smaller copies, where there are any
    return tags.serialise_directory(directory, layout, base, link), notes


def metadata_in_tiff(data: FileBytes, icc_profile: bytes | None) -> Metadata:
    """EXIF, XMP, IPTC and resolution of a TIFF's first page.

    Raises:
        ValueError: The directories lie outside of the file.
    """
    layout = tags.read_layout(data)
    directory = tags.read_directory(data, layout, tags.read_offset(data, layout, layout.first_offset_at))
    exif = exif_blocks.tiff_to_exif(directory)
    resolution = {tag: value for tag, value in directory.values.items() if tag in {282, 283, 296}}
    return Metadata(
        icc_profile=icc_profile,
        exif=exif,
        xmp=_content(directory, tags.XMP_PACKET),
        iptc=_content(directory, tags.IPTC_RECORDS) or iptc_in(_content(directory, tags.PHOTOSHOP_RESOURCES) or b""),
        dots_per_inch=exif_blocks.exif_resolution(exif_blocks.directory_to_exif(tags.Directory(resolution))),
    )


def _content(directory: tags.Directory, tag: int) -> bytes | None:
    """Bytes of a tag. IPTC of type LONG was swapped as numbers when it was read, which is how such writers mean it."""
    value = directory.values.get(tag)
    return value.content if value is not None else None
