import json

import pytest

from nlcunet.data.fetching.parts import check_first_use, hash_pictures, note_first_use
from nlcunet.errors import DataError
from nlcunet.files.checksums import hash_file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.zip"
    path.write_bytes(b"abc")
    return path


def test_files_have_the_checksums_of_the_standards(path):
    assert hash_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert hash_file(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5


def test_the_checksum_of_several_pictures_is_that_of_their_checksums_by_name(tmp_path):
    for name, data in (("b.png", b"2"), ("a.png", b"1")):
        (tmp_path / name).write_bytes(data)
    # md5 of "c4ca4238a0b923820dcc509a6f75849b" + "c81e728d9d4c2f636f067f89cc14862c", by md5sum(1)
    expected = "302cbafc0dfbc97f30d576a6f394dad3"
    got = hash_pictures([tmp_path / "b.png", tmp_path / "a.png"])
    assert got == hash_pictures([tmp_path / "a.png", tmp_path / "b.png"]) == expected


def test_the_first_download_is_remembered_and_must_come_again(tmp_path, path):
    check_first_use(tmp_path, "set.zip", path)
    note_first_use(tmp_path, "set.zip", path)
    check_first_use(tmp_path, "set.zip", path)
    assert json.loads((tmp_path / "checksums.json").read_text())["set.zip"] == {"sha256": hash_file(path), "bytes": 3}
    path.write_bytes(b"abd")
    with pytest.raises(DataError, match=r"must be the file of its first download .*remove its entry from"):
        check_first_use(tmp_path, "set.zip", path)


def test_a_later_note_does_not_overwrite_the_first(tmp_path, path):
    note_first_use(tmp_path, "set.zip", path)
    first = hash_file(path)
    path.write_bytes(b"abd")
    note_first_use(tmp_path, "set.zip", path)
    note_first_use(tmp_path, "other.zip", path)
    notes = json.loads((tmp_path / "checksums.json").read_text())
    assert notes["set.zip"]["sha256"] == first
    assert notes["other.zip"]["sha256"] == hash_file(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"set.zip": 1}'])
def test_damaged_notes_are_told(tmp_path, path, text):
    (tmp_path / "checksums.json").write_text(text)
    with pytest.raises(DataError, match=r"checksums\.json must hold"):
        check_first_use(tmp_path, "set.zip", path)
