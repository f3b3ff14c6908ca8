"""Shards byte by byte, and packing as a whole."""

import csv
import hashlib
import json
import os
import tarfile

import numpy as np
import pytest
import torch

from nlcunet.data import packing
from nlcunet.data.pack_sources import PackSettings
from nlcunet.data.packing import pack
from nlcunet.data.photographs import list_photographs, load_photographs, read_photograph
from nlcunet.data.shards import (
    PICTURE_SUFFIXES,
    StoredTile,
    TileRecord,
    is_packed,
    list_tiles,
    num_shard_bytes,
    read_index,
    read_tile,
    shard_bytes,
)
from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import Picture, encode_picture, read_picture, write_picture

SETTINGS = PackSettings(tile_px=64, keep_share=1.0, flat_db=60.0, shard_mib=1, valid_share=0.3, encoding="png")


def photograph(path, seed, height=100, width=150):
    """Noise, which has detail everywhere and does not compress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_picture(Picture(pixels=pixels), path)
    return pixels


def stored(number, size=1000):
    data = np.random.default_rng(number).bytes(size)
    record = TileRecord(
        photograph=f"photo {number} – ä.png", source_sha256="0" * 64, left=1, top=2, width=64, height=64,
        detail_db=25.5, split="train" if number % 2 else "valid", licence="CC0", holder="Müller", source="",
        encoding="webp", sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    return StoredTile(key=f"{number:04}", suffix=".webp", data=data, record=record)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "train-0000.tar"
    path.write_bytes(shard_bytes([stored(number) for number in range(4)]))
    return path


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    for number in range(10):
        photograph(folder / ("deep" if number % 3 else "") / f"p{number}.png", number)
    return folder


def test_a_shard_is_a_plain_tar_file_in_the_manner_of_webdataset(shard):
    with tarfile.open(shard, "r:") as tar:
        members = tar.getmembers()
        assert [member.name for member in members][:3] == ["0000.webp", "0000.json", "0001.webp"]
        assert all((member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "") for member in members)
        assert tar.extractfile("0002.webp").read() == stored(2).data
        assert json.load(tar.extractfile("0002.json"))["holder"] == "Müller"


def test_size_is_known_before_a_shard_is_made():
    for sizes in ([0], [1, 511, 512, 513], [1000] * 7):
        content = [stored(number, size) for number, size in enumerate(sizes)]
        assert len(shard_bytes(content)) == num_shard_bytes(content)


def test_tiles_come_back_as_they_went_in(shard):
    index = read_index(shard)
    assert list(index) == [f"{number:04}.webp" for number in range(4)]
    for number in range(4):
        assert index[f"{number:04}.webp"].record == stored(number).record
        assert read_tile(shard / f"{number:04}.webp") == stored(number).data
    assert {".webp", ".png", ".avif"} <= PICTURE_SUFFIXES


def test_tiles_are_listed_by_split(shard):
    paths, records = list_tiles(shard.parent, "valid")
    assert [path.name for path in paths] == ["0000.webp", "0002.webp"]
    assert all(record.split == "valid" for record in records)


def test_a_flipped_bit_is_found_and_named(shard):
    data = bytearray(shard.read_bytes())
    data[read_index(shard)["0001.webp"].offset + 500] ^= 1
    shard.write_bytes(data)
    assert read_tile(shard / "0000.webp") == stored(0).data
    with pytest.raises(DataError, match=r"the tile 0001\.webp in the shard .*train-0000\.tar must have the SHA-256"):
        read_tile(shard / "0001.webp")


def test_a_damaged_header_is_found_and_named(shard):
    data = bytearray(shard.read_bytes())
    data[read_index(shard)["0002.webp"].offset - 512] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"train-0000\.tar must be a whole tar file.*after 0001\.json"):
        read_index(shard)


def test_every_cut_is_found(shard):
    whole = shard.read_bytes()
    for length in range(0, len(whole) - 1024, 500):  # up to the marks at the end
        shard.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"train-0000\.tar must be a whole tar file"):
            read_index(shard)


def test_missing_shards_and_tiles_are_named(shard, tmp_path):
    with pytest.raises(DataError, match=r"must hold the tile none\.webp"):
        read_tile(shard / "none.webp")
    with pytest.raises(DataError, match=r"gone\.tar must be a file"):
        read_tile(tmp_path / "gone.tar" / "a.webp")


def test_tar_files_of_others_are_read_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (tmp_path / "x").mkdir()
    write_picture(Picture(pixels=pixels), tmp_path / "x" / "a.b.png")
    (tmp_path / "x" / "a.txt").write_text("a caption")
    (tmp_path / "x" / "a.json").write_text('{"caption": 1}')
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        tar.add(tmp_path / "x", "x")
    for path in (tmp_path / "x").iterdir():
        path.unlink()
    (tmp_path / "x").rmdir()
    loaded = load_photographs(tmp_path, split="anything", min_px=8, central_px=None)
    assert loaded.licence == ""
    assert torch.equal(loaded.pictures[0], torch.from_numpy(pixels))


def test_packed_tiles_are_the_pixels_of_the_photographs(photographs, tmp_path):
    result = pack(photographs, tmp_path / "out", SETTINGS)
    assert result.skipped == ()
    seen = 0
    for split in ("train", "valid"):
        loaded = load_photographs(tmp_path / "out", split=split, min_px=8, central_px=None)
        _, records = list_tiles(tmp_path / "out", split)
        for picture, record in zip(loaded.pictures, records, strict=True):
            whole = read_picture(photographs / record.photograph).pixels
            cut = whole[record.top : record.top + 64, record.left : record.left + 64]
            assert torch.equal(picture, torch.from_numpy(cut.copy()))
            seen += 1
    assert seen == sum(result.splits.values()) >= 20


def test_a_photograph_stands_in_one_split_only(photographs, tmp_path):
    pack(photographs, tmp_path / "out", SETTINGS)
    train, valid = (
        {record.photograph for record in list_tiles(tmp_path / "out", split)[1]} for split in ("train", "valid")
    )
    assert len(valid) == 3
    assert len(train) == 7
    assert not train & valid


def test_the_shard_limit_holds_and_shards_are_filled(tmp_path):
    for number in range(4):
        photograph(tmp_path / "photos" / f"{number}.png", number, 600, 600)
    settings = PackSettings(tile_px=256, keep_share=1.0, shard_mib=1, valid_share=0.0, encoding="png")
    result = pack(tmp_path / "photos", tmp_path / "out", settings)
    sizes = [(tmp_path / "out" / shard.file).stat().st_size for shard in result.shards]
    assert len(sizes) > 2
    assert max(sizes) <= 2**20
    one_tile = 256 * 256 * 3
    assert all(size > 2**20 - 1.1 * one_tile for size in sizes[:-1])  # one more would not have fitted


def test_a_tile_larger_than_a_shard_is_left_out_and_told(tmp_path):
    photograph(tmp_path / "photos" / "large.png", 0, 700, 700)
    photograph(tmp_path / "photos" / "other.png", 1, 700, 700)
    result = pack(tmp_path / "photos", tmp_path / "out", PackSettings(tile_px=640, keep_share=1.0, shard_mib=1))
    assert result.shards == ()
    assert len(result.skipped) == 2
    assert "more than a shard of 1 MiB" in result.skipped[0]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_input_makes_equal_bytes_with_any_number_of_threads(photographs, tmp_path):
    for number, threads in enumerate((1, 3)):
        pack(photographs, tmp_path / str(number), SETTINGS, threads=threads)
    assert content(tmp_path / "0") == content(tmp_path / "1")


def test_packing_again_encodes_only_what_is_missing(photographs, tmp_path, monkeypatch):
    first = pack(photographs, tmp_path / "out", SETTINGS)
    before = content(tmp_path / "out")
    kept = tmp_path / "out" / first.shards[0].file
    os.utime(kept, ns=(1, 1))
    last = tmp_path / "out" / first.shards[-1].file
    last.unlink()
    encoded = []
    monkeypatch.setattr(packing, "encode_picture", lambda *a, **k: encoded.append(1) or encode_picture(*a, **k))
    again = pack(photographs, tmp_path / "out", SETTINGS)
    assert content(tmp_path / "out") == before
    assert len(encoded) == first.shards[-1].tiles
    assert again.reused == sum(first.splits.values()) - len(encoded)
    assert kept.stat().st_mtime_ns == 1  # not written again


def test_damaged_shards_of_an_earlier_run_are_made_again(photographs, tmp_path):
    result = pack(photographs, tmp_path / "out", SETTINGS)
    before = content(tmp_path / "out")
    shard = tmp_path / "out" / result.shards[0].file
    data = bytearray(shard.read_bytes())
    data[600] ^= 255
    shard.write_bytes(data)
    pack(photographs, tmp_path / "out", SETTINGS)
    assert content(tmp_path / "out") == before


def test_other_settings_leave_nothing_of_the_earlier_run(photographs, tmp_path):
    pack(photographs, tmp_path / "out", SETTINGS)
    other = PackSettings(tile_px=32, max_tiles=3, keep_share=None, valid_share=0.0, flat_db=60.0)
    pack(photographs, tmp_path / "out", other)
    pack(photographs, tmp_path / "fresh", other)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")
    assert len(list_photographs(tmp_path / "out", None, "train")[0]) == 3


def test_an_unfinished_pack_is_not_trained_on(photographs, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "_write_lists", stop)
    with pytest.raises(KeyboardInterrupt):
        pack(photographs, tmp_path / "out", SETTINGS)
    with pytest.raises(DataError, match="packing was stopped; run `nlcunet data pack` again"):
        list_photographs(tmp_path / "out", None, "train")
    monkeypatch.undo()
    assert pack(photographs, tmp_path / "out", SETTINGS).reused > 0
    list_photographs(tmp_path / "out", None, "train")


def test_a_missing_or_shortened_shard_is_refused(photographs, tmp_path):
    result = pack(photographs, tmp_path / "out", SETTINGS)
    shard = tmp_path / "out" / result.shards[0].file
    shard.write_bytes(shard.read_bytes()[:-512])
    with pytest.raises(DataError, match=rf"{shard.name} must have .* bytes: got"):
        load_photographs(tmp_path / "out", min_px=8, central_px=None)
    shard.unlink()
    with pytest.raises(DataError, match="no such file"):
        load_photographs(tmp_path / "out", min_px=8, central_px=None)


def test_unusable_photographs_are_told_without_the_path_of_the_machine(photographs, tmp_path):
    (photographs / "broken.jpg").write_bytes(b"no picture")
    photograph(photographs / "small.png", 0, 40, 40)
    result = pack(photographs, tmp_path / "out", SETTINGS)
    assert [reason.split(":")[0] for reason in result.skipped] == ["broken.jpg", "small.png"]
    listed = json.loads((tmp_path / "out" / "pack.json").read_text())
    assert listed["skipped"] == list(result.skipped)
    assert str(tmp_path) not in (tmp_path / "out" / "pack.json").read_text()


def test_the_manifest_gives_splits_licences_and_groups(photographs, tmp_path):
    names = sorted(path.relative_to(photographs).as_posix() for path in photographs.rglob("*.png"))
    rows = [
        {"file": n, "photo": f"scene{i // 2}", "licence": "CC0" if i < 4 else "", "holder": "Müller"}
        for i, n in enumerate(names)
    ]
    table = tmp_path / "list.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    settings = PackSettings(tile_px=64, keep_share=1.0, flat_db=60.0, valid_share=0.4, per_photograph=3)
    pack(photographs, tmp_path / "out", settings, manifest=table)
    scenes = {
        split: [names.index(record.photograph) // 2 for record in list_tiles(tmp_path / "out", split)[1]]
        for split in ("train", "valid")
    }
    assert not set(scenes["train"]) & set(scenes["valid"])
    assert len(set(scenes["valid"])) == 2
    assert max(scenes["train"].count(scene) for scene in scenes["train"]) == 3
    packed = list_tiles(tmp_path / "out", "train")[1][0]
    assert packed.holder == "Müller"
    licences = " ".join(list_photographs(tmp_path / "out", None, split)[1] for split in ("train", "valid"))
    assert "CC0" in licences
    assert "unknown" in licences


def test_the_manifest_of_a_pack_lists_every_tile_and_loads_like_the_pack(photographs, tmp_path):
    pack(photographs, tmp_path / "out", SETTINGS)
    by_shards, _ = list_photographs(tmp_path / "out", None, "train")
    by_manifest, _ = list_photographs(tmp_path / "out", tmp_path / "out" / "manifest.csv", "train")
    assert by_shards == by_manifest
    with (tmp_path / "out" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert hashlib.sha256(read_tile(tmp_path / "out" / row["file"])).hexdigest() == row["sha256"]


def test_kept_files_go_in_byte_for_byte(tmp_path):
    photograph(tmp_path / "photos" / "tile.png", 0, 64, 64)
    photograph(tmp_path / "photos" / "wide.png", 1, 64, 90)
    pack(
        tmp_path / "photos",
        tmp_path / "out",
        PackSettings(tile_px=64, keep_share=1.0, encoding="keep", valid_share=0.0),
    )
    paths, _ = list_photographs(tmp_path / "out", None, "train")
    assert [path.suffix for path in paths] == [".png", ".webp"]
    assert read_tile(paths[0]) == (tmp_path / "photos" / "tile.png").read_bytes()


@pytest.mark.parametrize("encoding", ["png", "avif"])
def test_other_encodings_hold_the_picture(photographs, tmp_path, encoding):
    settings = PackSettings(tile_px=64, max_tiles=2, keep_share=None, flat_db=60.0, encoding=encoding, valid_share=0.0)
    pack(photographs, tmp_path / "out", settings)
    for path, record in zip(*list_tiles(tmp_path / "out", "train"), strict=True):
        whole = read_picture(photographs / record.photograph).pixels.astype(float)
        cut = whole[record.top : record.top + 64, record.left : record.left + 64]
        error = np.abs(read_photograph(path, None).numpy() - cut).mean()
        assert error == 0 if encoding == "png" else error < 12


def test_names_are_made_plain_and_stay_apart(tmp_path):
    for number, name in enumerate(("a.b.png", "a-b.png", "ä/日本.png", "日本.png")):
        photograph(tmp_path / "photos" / name, number, 64, 64)
    pack(tmp_path / "photos", tmp_path / "out", PackSettings(tile_px=64, keep_share=1.0, flat_db=60.0, valid_share=0.0))
    names = [path.name for path in list_photographs(tmp_path / "out", None, "train")[0]]
    assert len(set(names)) == 4
    assert all(name.isascii() and name.count(".") == 1 for name in names)


def test_folders_of_something_else_are_not_packed_into(photographs, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="must be empty or hold an earlier pack"):
        pack(photographs, tmp_path / "full", SETTINGS)
    with pytest.raises(ConfigError, match="must be a folder"):
        pack(photographs, tmp_path / "full" / "thesis.txt", SETTINGS)
    with pytest.raises(DataError, match="found none"):
        pack(tmp_path / "full", tmp_path / "out", SETTINGS)
    with pytest.raises(ConfigError, match="at least 1"):
        PackSettings(shard_mib=0)


def test_loose_pictures_beside_a_tar_file_are_taken_instead_of_it(photographs, shard):
    shard.rename(photographs / shard.name)
    assert not is_packed(photographs)
    assert len(list_photographs(photographs, None, "train")[0]) == 10
