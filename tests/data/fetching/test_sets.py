import csv
import hashlib
import json
from dataclasses import replace

import pytest

from nlcunet.data.fetching import sets
from nlcunet.data.fetching.catalogue import MANGA109, SETS, Archive, Pick, PictureSet
from nlcunet.data.fetching.sets import check_set, fetch_set
from nlcunet.data.photographs import list_photographs
from nlcunet.errors import DataError
from nlcunet.files.checksums import Digest
from nlcunet.files.download import DownloadListener, WantedFile

PICTURES = {
    "set/0001.png": b"first",
    "set/0002.png": b"second",
    "set/._0001.png": b"twin",
    "set/low/0001x2.png": b"low",
}
TRAIN = Pick(pattern=r"set/[^/]*\d{4}\.png", folder="HR", split="train", count=2)


def make_archive(web, path="/set.zip", *, digest=None, name="set.zip", pick=TRAIN, pictures_md5=None):
    wanted = WantedFile(name=name, urls=(web.url + path,), digest=digest)
    return Archive(wanted=wanted, picks=(pick,), pictures_md5=pictures_md5)


def make_set(*parts, name="Tiny", pictures=2, **more):
    told = {"use": "tests", "licence": "CC0-1.0", "terms": "free", "citation": "nobody", "homepage": "http://a.invalid"}
    return PictureSet(name=name, pictures=pictures, parts=parts, **told, **more)


def test_a_set_arrives_with_a_manifest_that_training_reads(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    done = fetch_set(make_set((make_archive(web),)), tmp_path, patience=patience)
    folder = tmp_path / "Tiny"
    assert (done.pictures, done.was_there, done.folder) == (2, False, folder)
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "file": "HR/0001.png",
        "split": "train",
        "licence": "CC0-1.0",
        "sha256": hashlib.sha256(b"first").hexdigest(),
        "source": "set.zip:set/0001.png",
        "holder": "",
    }
    paths, licence = list_photographs(folder, folder / "manifest.csv", "train")
    assert [path.read_bytes() for path in paths] == [b"first", b"second"]
    assert licence == "CC0-1.0 (2)"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".downloads", "Tiny", "checksums.json"]
    assert list((tmp_path / ".downloads").iterdir()) == []


def test_a_finished_set_is_left_alone(web, tmp_path, patience, zipped):
    page = web.add("/set.zip", zipped(PICTURES))
    wanted = make_set((make_archive(web),))
    fetch_set(wanted, tmp_path, patience=patience)
    again = fetch_set(wanted, tmp_path, patience=patience)
    assert (again.was_there, again.pictures, again.downloaded_bytes, len(page.seen)) == (True, 2, 0, 1)


def test_a_finished_set_with_pictures_gone_is_told(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    wanted = make_set((make_archive(web),))
    fetch_set(wanted, tmp_path, patience=patience)
    (tmp_path / "Tiny/HR/0002.png").unlink()
    with pytest.raises(DataError, match=r"1 are gone, such as HR/0002\.png; move the folder away"):
        fetch_set(wanted, tmp_path, patience=patience)


def test_a_folder_that_was_not_fetched_is_not_touched(web, tmp_path, patience):
    (tmp_path / "Tiny").mkdir()
    with pytest.raises(DataError, match="must be free"):
        fetch_set(make_set((make_archive(web),)), tmp_path, patience=patience)


def test_an_interrupted_unpacking_is_done_again_without_another_download(web, tmp_path, patience, zipped, monkeypatch):
    page = web.add("/set.zip", zipped(PICTURES))
    wanted = make_set((make_archive(web),))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(sets, "write_fetched_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch_set(wanted, tmp_path, patience=patience)
    assert not (tmp_path / "Tiny").exists()
    assert fetch_set(wanted, tmp_path, patience=patience).downloaded_bytes == 0
    assert len(page.seen) == 1
    assert sorted(path.name for path in (tmp_path / "Tiny/HR").iterdir()) == ["0001.png", "0002.png"]


def test_archives_are_kept_on_request(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    fetch_set(make_set((make_archive(web),)), tmp_path, patience=patience, keep_archives=True)
    assert (tmp_path / ".downloads/set.zip").exists()


def test_wrong_bytes_are_never_unpacked(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    digest = Digest(algorithm="md5", value="0" * 32, origin="this test")
    with pytest.raises(DataError, match=r"must have the MD5 0{32}"):
        fetch_set(make_set((make_archive(web, digest=digest),)), tmp_path, patience=patience)
    assert not (tmp_path / "Tiny").exists()
    assert not list(tmp_path.rglob("*.png"))


def test_another_archive_of_the_same_pictures_steps_in(web, tmp_path, patience, zipped, tarred):
    web.add("/wrong.zip", zipped({"set/0001.png": b"only one"}))
    web.add("/set.tar", tarred(PICTURES))
    alternatives = (
        make_archive(web, "/none.zip", name="none.zip"),
        make_archive(web, "/wrong.zip", name="wrong.zip"),
        make_archive(web, "/set.tar", name="set.tar"),
    )
    said = []
    done = fetch_set(make_set(alternatives), tmp_path, patience=patience, listener=DownloadListener(say=said.append))
    assert done.pictures == 2
    assert any("HTTP 404" in sentence and "trying wrong.zip instead" in sentence for sentence in said)
    assert any("must hold 2 files" in sentence and "got 1" in sentence for sentence in said)
    assert list(json.loads((tmp_path / "checksums.json").read_text())) == ["set.tar"]


def test_pictures_are_held_against_their_common_checksum(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    hexes = "".join(hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"first", b"second"))
    right = hashlib.md5(hexes.encode(), usedforsecurity=False).hexdigest()
    with pytest.raises(DataError, match=f"must have the checksum {'0' * 32} together: got {right}"):
        fetch_set(make_set((make_archive(web, pictures_md5="0" * 32),)), tmp_path, patience=patience)
    done = fetch_set(make_set((make_archive(web, pictures_md5=right),)), tmp_path, patience=patience)
    assert done.notes == ()
    assert not (tmp_path / "checksums.json").exists()


def test_without_published_checksum_the_first_download_is_remembered(web, tmp_path, patience, zipped):
    page = web.add("/set.zip", zipped(PICTURES))
    wanted = make_set((make_archive(web),))
    assert "nobody has published a checksum of set.zip" in fetch_set(wanted, tmp_path, patience=patience).notes[0]
    (tmp_path / "Tiny").rename(tmp_path / "away")
    page.data, page.etag = zipped({**PICTURES, "set/0002.png": b"changed"}), '"two"'
    with pytest.raises(DataError, match="must be the file of its first download"):
        fetch_set(wanted, tmp_path, patience=patience)
    assert not (tmp_path / "Tiny").exists()


def test_joined_sets_hold_the_training_pictures_of_both(web, tmp_path, patience, zipped, monkeypatch):
    web.add("/a.zip", zipped(PICTURES))
    web.add("/b.zip", zipped({"set/000001.png": b"third"}))
    web.add("/c.zip", zipped({"set/0801.png": b"valid"}))
    valid = Pick(pattern=r"set/\d{4}\.png", folder="valid", split="valid", count=1)
    third = Pick(pattern=r"set/\d{6}\.png", split="train", count=1)
    first = (make_archive(web, "/a.zip", name="a.zip"),)
    monkeypatch.setitem(SETS, "A", make_set(first, (make_archive(web, "/c.zip", name="c.zip", pick=valid),), name="A"))
    monkeypatch.setitem(SETS, "B", make_set((make_archive(web, "/b.zip", name="b.zip", pick=third),), name="B"))
    joined = make_set(name="AB", pictures=3, joins=("A", "B"))
    done = fetch_set(joined, tmp_path, patience=patience)
    paths, _ = list_photographs(tmp_path / "AB", tmp_path / "AB/manifest.csv", "train")
    assert done.pictures == 3
    assert sorted(path.read_bytes() for path in paths) == [b"first", b"second", b"third"]
    assert (tmp_path / "AB/0001.png").samefile(tmp_path / "A/HR/0001.png")
    assert check_set(joined, tmp_path).problems == ()


def test_checking_finds_what_has_gone_or_changed(web, tmp_path, patience, zipped):
    web.add("/set.zip", zipped(PICTURES))
    wanted = make_set((make_archive(web),))
    fetch_set(wanted, tmp_path, patience=patience)
    assert check_set(wanted, tmp_path).problems == ()
    (tmp_path / "Tiny/HR/0001.png").write_bytes(b"other")
    (tmp_path / "Tiny/HR/0002.png").unlink()
    assert check_set(replace(wanted, pictures=3), tmp_path).problems == (
        "HR/0002.png: is not there",
        "HR/0001.png: has other bytes than when it was fetched",
        "the manifest lists 2 of 3 pictures",
    )
    with pytest.raises(DataError, match="must be a folder to be checked"):
        check_set(make_set(name="Absent"), tmp_path)


@pytest.mark.parametrize(
    "text", ["file,split\na.png,train\n", "file,split,licence,sha256,source,holder\n../a,t,l,s,s,\n"]
)
def test_manifests_that_are_none_are_told(tmp_path, text):
    (tmp_path / "Tiny").mkdir()
    (tmp_path / "Tiny/manifest.csv").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.csv must"):
        check_set(make_set(), tmp_path)


def test_manga109_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"(?s)may not be downloaded by a program.*apply there.*Manga109,"):
        fetch_set(MANGA109, tmp_path)


def test_manga109_put_there_by_hand_is_taken(tmp_path):
    folder = tmp_path / "Manga109"
    folder.mkdir()
    for title in MANGA109.names:
        (folder / f"{title.replace(chr(39), '')}.png").write_bytes(title.encode())
    assert check_set(MANGA109, tmp_path).problems == ()
    assert not check_set(MANGA109, tmp_path).has_manifest
    assert fetch_set(MANGA109, tmp_path).pictures == 109
    assert check_set(MANGA109, tmp_path).has_manifest
    assert fetch_set(MANGA109, tmp_path).was_there


def test_manga109_with_missing_or_strange_pages_is_refused(tmp_path):
    folder = tmp_path / "Manga109"
    folder.mkdir()
    for title in MANGA109.names[1:]:
        (folder / f"{title}.png").touch()
    (folder / "MyOwnDrawing.png").touch()
    with pytest.raises(DataError, match="missing AisazuNihaIrarenai; not of this set MyOwnDrawing"):
        fetch_set(MANGA109, tmp_path)
    (folder / "MyOwnDrawing.png").unlink()
    assert check_set(MANGA109, tmp_path).problems == ("there are 108", "missing AisazuNihaIrarenai")
    assert not (folder / "manifest.csv").exists()
