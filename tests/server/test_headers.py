"""Headers that keep their reader busy are refused, and keep nobody else waiting."""

import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlcunet.imaging.containers import MOST_BOXES, MOST_GIF_BLOCKS, count_gif_frames, count_heif_frames
from nlcunet.imaging.files import read_header
from nlcunet.imaging.png import MOST_CHUNKS
from nlcunet.server import intake

from .conftest import form

ENTRIES = 4096


def overlapping_tiff(size):
    """A TIFF whose directories of 4096 tags each begin 12 bytes after the one before."""
    data = bytearray(b"II*\x00" + struct.pack("<I", 8) + struct.pack("<HHII", ENTRIES, 0, 0, 0) * (size // 12))
    link_at = 2 + 12 * ENTRIES
    for at in range(8, len(data) - link_at - 4, 12):
        struct.pack_into("<I", data, at + link_at, at + 12)
    return bytes(data)


def long_tiff(directories, entries):
    """A TIFF of many honest directories."""
    data, length = bytearray(b"II*\x00" + struct.pack("<I", 8)), 6 + 12 * entries
    for number in range(1, directories + 1):
        link = 8 + number * length if number < directories else 0
        tags = b"".join(struct.pack("<HHII", 256 + tag, 3, 1, 1) for tag in range(entries))
        data += struct.pack("<H", entries) + tags + struct.pack("<I", link)
    return bytes(data)


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(chunks):
    """A PNG of one pixel with chunks before it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunks + chunk(b"IDAT", zlib.compress(bytes(2))) + chunk(b"IEND")


BOMBS = {
    "overlapping directories": (overlapping_tiff(120_000), "must have at most 4096 directories of 65536 tags in all"),
    "many directories": (long_tiff(4097, 1), "must have at most 4096 directories of 65536 tags in all"),
    "many empty directories": (long_tiff(4097, 0), "must have at most 4096 directories of 65536 tags in all"),
    "many chunks": (png_with(chunk(b"teSt") * MOST_CHUNKS), "must have at most 65,536 chunks before its pixels"),
    "many texts": (png_with(chunk(b"tEXt", b"a\x00b") * MOST_CHUNKS), "must have at most 65,536 chunks"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_headers_of_too_many_parts_are_refused(client, kind):
    data, told = BOMBS[kind]
    answer = client.post("/v1/upscale", files=form(data, "bomb"))
    assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")
    assert told in answer.json()["detail"]


def test_many_pages_are_still_counted(client):
    answer = client.post("/v1/upscale", files=form(long_tiff(300, 15)))
    assert (answer.status_code, answer.json()["error"]) == (415, "several_frames")
    assert "300 frames" in answer.json()["detail"]


def test_many_chunks_that_are_few_enough_are_read():
    assert read_header(png_with(chunk(b"teSt") * 1000)).width == 1


def test_blocks_and_boxes_are_looked_at_only_so_far():
    image = b"\x2c" + bytes(9) + b"\x02"
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    few = gif + (image + b"\x01\x00" * 10 + b"\x00") * 3 + b";"
    many = gif + image + b"\x01\x00" * MOST_GIF_BLOCKS + b"\x00" + image + b"\x00;"
    assert (count_gif_frames(few), count_gif_frames(many)) == (3, 1)
    sequence = struct.pack(">I", 8 + 24) + b"moov" + b"stsz" + bytes(8) + struct.pack(">I", 5) + bytes(8)
    box = struct.pack(">I", 8) + b"free"
    assert (count_heif_frames(box * 10 + sequence), count_heif_frames(box * MOST_BOXES + sequence)) == (5, 1)


@pytest.fixture
def stuck(monkeypatch):
    """Headers that are not read before the end of the test; counts those that were begun."""
    go, begun = threading.Event(), threading.Semaphore(0)

    def read(path):
        begun.release()
        assert go.wait(60)
        return read_header(path)

    monkeypatch.setattr(intake, "read_header", read)
    read.go, read.begun = go, begun
    yield read
    go.set()


def test_headers_that_are_stuck_keep_no_other_answer_waiting(start, stuck):
    client = start(max_waiting=100, max_waiting_per_client=100)
    threads_for_answers = 40
    with ThreadPoolExecutor(threads_for_answers + 2) as visitors:
        uploads = [
            visitors.submit(client.post, "/v1/upscale?wait=0", files=form()) for _ in range(threads_for_answers + 1)
        ]
        for _ in range(intake.READERS):
            assert stuck.begun.acquire(timeout=20)
        assert visitors.submit(client.get, "/v1/models").result(20).status_code == 200
        stuck.go.set()
        assert {upload.result(60).status_code for upload in uploads} == {202}


@pytest.mark.usefixtures("stuck")
def test_a_header_has_a_deadline(client, monkeypatch):
    monkeypatch.setattr(intake, "DEADLINE_S", 0.01)
    answer = client.post("/v1/upscale", files=form(name="slow.png"))
    assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")
    assert answer.json()["detail"].startswith("slow.png must have a header that is read within")
