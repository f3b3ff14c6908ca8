"""Small pictures and metadata made by hand, so that the tests know every byte of them."""

import io
import struct
import zlib

import numpy as np
import pyvips
from PIL import Image

from nlcunet.imaging.picture import Metadata, Picture
from nlcunet.imaging.tiff_tags import LONG, SHORT, Directory, Layout, Value, serialise_directory

ORIENTATION, IMAGE_WIDTH, MAKE, GPS, EXIF = 0x0112, 0x0100, 0x010F, 0x8825, 0x8769
PIXEL_X, PIXEL_Y, TAKEN, OFFSET_TIME, MAKER_NOTE, UNKNOWN = 0xA002, 0xA003, 0x9003, 0x9011, 0x927C, 0xEEEE

ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""Red, green and blue of Adobe RGB (1998) as XYZ under D50, from that standard's ICC profile."""

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="1">'
    b"<dc:rights>M\xc3\xbcller</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)
IPTC = b"\x1c\x02\x00\x00\x02\x00\x04" + b"\x1c\x02\x78\x00\x0b" + b"A lighthous" + b"\x1c\x02\x05\x00\x04Pier"


def gradient(dtype, channels, height=40, width=56):
    """A smooth picture without symmetry, so that turning it the wrong way shows; float in [0, 1] or integers."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows / height * 0.5 + columns / width * 0.4, columns / width * 0.9, rows / height * 0.8 + 0.1]
    image = np.stack(planes[:channels], axis=2)
    if dtype == np.float32:
        return image.astype(np.float32)
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


def coverage(dtype, height=40, width=56):
    """Alpha from transparent at the left to opaque at the right."""
    ramp = np.tile(np.linspace(0, 1, width), (height, 1))
    return ramp.astype(dtype) if dtype == np.float32 else np.rint(ramp * np.iinfo(dtype).max).astype(dtype)


def rgb_profile(primaries=ADOBE_RGB, gamma=563 / 256):
    """A matrix profile (ICC.1:2001-04, section 6.3.1.2), by default as Adobe RGB (1998) is made."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\x00\x00"
    tags = {b"desc": _description(b"Made for a test"), b"cprt": b"text\x00\x00\x00\x00public domain\x00"}
    tags |= {b"wtpt": _xyz(0.9642, 1.0, 0.8249)}
    tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (_xyz(*colour) for colour in primaries), strict=True))
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    return _profile(b"RGB ", tags)


def grey_profile(gamma=1.8):
    """A grey profile with a plain exponent (ICC.1:2001-04, section 6.3.1.1)."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\x00\x00"
    tags = {b"desc": _description(b"Grey for a test"), b"cprt": b"text\x00\x00\x00\x00public domain\x00"}
    return _profile(b"GRAY", tags | {b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"kTRC": curve})


def vips_profile(name):
    """One of the profiles that come with libvips: srgb, p3 or cmyk."""
    return bytes(pyvips.Operation.call("profile_load", name))


def _xyz(*values):
    return b"XYZ \x00\x00\x00\x00" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _description(text):
    content = b"desc\x00\x00\x00\x00" + struct.pack(">I", len(text) + 1) + text + b"\x00"
    return content + bytes(4 + 4 + 2 + 1 + 67)


def _profile(space, tags):
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", head, 0, start + len(body), b"none", 0x02400000, b"mntr", space, b"XYZ ")
    head[36:40] = b"acsp"
    struct.pack_into(">3i", head, 68, round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    return bytes(head) + struct.pack(">I", len(tags)) + table + body


def exif_block(orientation=1, size=(56, 40), thumbnail=b"", order=">"):
    """An EXIF block with a maker's note that no library knows, GPS, and a thumbnail directory if there is one."""
    mark = {"<": b"II*\x00", ">": b"MM\x00*"}[order]
    note, taken = b"NOTE" + bytes(range(60)), b"2026:05:17 12:34:56\x00"
    exif_at, gps_at, thumbnail_at, values_at = 8 + 2 + 5 * 12 + 4, 142, 170, 206
    main = [(MAKE, 2, 4, b"Cam\x00"), (ORIENTATION, 3, 1, struct.pack(order + "HH", orientation, 0))]
    main += [(EXIF, 4, 1, struct.pack(order + "I", exif_at)), (GPS, 4, 1, struct.pack(order + "I", gps_at))]
    main += [(UNKNOWN, 7, 4, b"keep")]
    camera = [(TAKEN, 2, 20, struct.pack(order + "I", values_at))]
    camera += [(OFFSET_TIME, 2, 4, b"+01\x00"), (MAKER_NOTE, 7, 64, struct.pack(order + "I", values_at + 20))]
    camera += [(PIXEL_X, 3, 1, struct.pack(order + "HH", size[0], 0))]
    camera += [(PIXEL_Y, 3, 1, struct.pack(order + "HH", size[1], 0))]
    tail_at = values_at + 20 + 64
    small = [
        (0x0201, 4, 1, struct.pack(order + "I", tail_at)),
        (0x0202, 4, 1, struct.pack(order + "I", len(thumbnail))),
    ]
    block = mark + struct.pack(order + "I", 8) + _directory(main, order, thumbnail_at if thumbnail else 0)
    block = (block + _directory(camera, order)).ljust(gps_at, b"\x00")
    block = (block + _directory([(1, 2, 2, b"N\x00\x00\x00")], order)).ljust(thumbnail_at, b"\x00")
    block = (block + _directory(small, order)).ljust(values_at, b"\x00")
    return block + taken + note + thumbnail


def _directory(entries, order, link=0):
    body = b"".join(struct.pack(order + "HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return struct.pack(order + "H", len(entries)) + body + struct.pack(order + "I", link)


def exif_tags(block):
    """Tags of an EXIF block by Pillow: main, camera and GPS directory in one."""
    exif = Image.Exif()
    exif.load(b"Exif\x00\x00" + block)
    main = {tag: value for tag, value in exif.items() if tag not in {EXIF, GPS}}
    return main | dict(exif.get_ifd(EXIF)) | {("gps", tag): value for tag, value in exif.get_ifd(GPS).items()}


def photograph(dtype=np.uint8, channels=3, alpha=False, profile=None):
    """A picture with everything beside it that a file can hold."""
    metadata = Metadata(icc_profile=profile, exif=exif_block(), xmp=XMP, iptc=IPTC, dots_per_inch=(300.0, 240.0))
    mask = coverage(dtype) if alpha else None
    return Picture(pixels=gradient(dtype, channels), alpha=mask, metadata=metadata)


def pillow_bytes(image, file_format, **arguments):
    """A file as an independent program writes it."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **arguments)
    return buffer.getvalue()


def tiff_bytes(samples, photometric=2, extra=(), **values):
    """An uncompressed TIFF of one's own making; ``extra`` says what the bands behind the colours are."""
    height, width, bands = samples.shape
    kind = 3 if samples.dtype.kind == "f" else 1
    numbers = {256: width, 257: height, 259: 1, 262: photometric, 273: 8, 277: bands, 278: height, 279: samples.nbytes}
    directory = {tag: Value(LONG, 1, struct.pack("<I", number)) for tag, number in numbers.items()}
    lists = {258: [8 * samples.itemsize] * bands, 339: [kind] * bands} | ({338: extra} if extra else {})
    directory |= {tag: Value(SHORT, len(items), struct.pack(f"<{len(items)}H", *items)) for tag, items in lists.items()}
    directory |= {int(tag.removeprefix("tag_")): value for tag, value in values.items()}
    body = samples.tobytes() + bytes(samples.nbytes % 2)
    start = 8 + len(body)
    return b"II*\x00" + struct.pack("<I", start) + body + serialise_directory(Directory(directory), Layout("<"), start)


def png_bytes(width, height, *chunks):
    """A PNG of one's own making: header, the given chunks, end."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)
    return b"\x89PNG\r\n\x1a\n" + body
