import io
import stat
import subprocess
import tarfile
import zipfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlcunet.data.fetching import archives
from nlcunet.data.fetching.archives import unpack
from nlcunet.errors import DataError

FILES = {"set/a.png": b"a" * 1000, "set/b.png": b"b" * 10, "set/notes.txt": b"read me"}


def pictures(name):
    return name.rsplit("/", 1)[-1] if name.endswith(".png") else None


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def keep(tmp_path):
    def keep(data):
        path = tmp_path / "archive"
        path.write_bytes(data)
        return path

    return keep


@pytest.fixture
def packed(zipped, tarred, debian_package):
    def packed(kind, members):
        if kind in {"zip", "deb"}:
            return (zipped if kind == "zip" else debian_package)(members)
        return tarred(members, f"w:{kind.removeprefix('tar').removeprefix('.')}")

    return packed


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "deb"])
def test_only_the_chosen_files_are_written(keep, target, packed, kind):
    assert unpack(keep(packed(kind, FILES)), target, pictures) == [target / "a.png", target / "b.png"]
    assert sorted(path.name for path in target.rglob("*")) == ["a.png", "b.png"]
    assert (target / "a.png").read_bytes() == FILES["set/a.png"]


@pytest.mark.skipif(not archives.Path("/usr/bin/dpkg-deb").exists(), reason="needs dpkg-deb")
def test_a_package_made_by_dpkg_is_read(tmp_path, target):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: pictures\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.invalid>\nDescription: pictures\n"
    )
    (tree / "usr/share").mkdir(parents=True)
    (tree / "usr/share/a.png").write_bytes(b"a picture")
    (tree / "usr/share/link.png").symlink_to("/etc/passwd")
    deb = tmp_path / "pictures.deb"
    subprocess.run(["dpkg-deb", "-Zxz", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)
    unpack(deb, target, lambda name: "a.png" if name == "usr/share/a.png" else None)
    assert (target / "a.png").read_bytes() == b"a picture"
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(deb, target, lambda name: "link.png" if name.endswith("link.png") else None)


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "set/../../evil.png", "/evil.png", "C:\\evil.png", "\\\\host\\evil.png", "set\\..\\evil.png"],
)
def test_names_that_lead_outside_refuse_the_whole_archive(keep, target, zipped, tarred, name):
    for made in (zipped, tarred):
        with pytest.raises(DataError, match="it names a place outside"):
            unpack(keep(made({name: b"evil"})), target, pictures)
    assert list(target.iterdir()) == []
    assert not (target.parent / "evil.png").exists()


def test_a_choice_that_leads_outside_is_refused(keep, target, zipped):
    with pytest.raises(DataError, match="would land outside"):
        unpack(keep(zipped(FILES)), target, lambda name: f"../{name}")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_files_are_refused(keep, target, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo("set/a.png")
        info.type = kind
        file.addfile(info)
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(keep(buffer.getvalue()), target, pictures)
    assert list(target.iterdir()) == []


def test_links_in_zip_files_are_refused(keep, target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo("set/a.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(keep(buffer.getvalue()), target, pictures)


def test_links_that_are_not_wanted_do_no_harm(keep, target):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo("set/link")
        info.type = tarfile.SYMTYPE
        file.addfile(info)
    assert unpack(keep(buffer.getvalue()), target, pictures) == []


def test_bombs_are_stopped(keep, target, zipped, tarred, monkeypatch):
    monkeypatch.setattr(archives, "SMALLEST_LIMIT_BYTES", 10_000)
    for made in (zipped, tarred):
        with pytest.raises(DataError, match="it unpacks to more than 4 times its size"):
            unpack(keep(made({"a.png": bytes(9_000), "b.png": bytes(9_000)})), target, pictures)
        (target / "a.png").unlink()
        (target / "b.png").unlink(missing_ok=True)


def test_too_many_members_are_refused(keep, target, zipped, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(DataError, match="more than 2 members"):
        unpack(keep(zipped(FILES)), target, pictures)


@pytest.mark.parametrize("names", [("a/x.png", "b/x.png"), ("X.png", "x.png")])
def test_two_files_of_one_name_are_refused(keep, target, zipped, names):
    with pytest.raises(DataError, match="two members would become"):
        unpack(keep(zipped(dict.fromkeys(names, b"x"))), target, pictures)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "deb"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_truncated_archives_are_told(keep, target, packed, kind, share):
    data = packed(kind, {"set/a.png": bytes(range(256)) * 90, "set/b.png": b"b" * 30_000})
    with pytest.raises(DataError, match="must be a whole zip, tar or deb archive"):
        unpack(keep(data[: int(len(data) * share)]), target, pictures)


@pytest.mark.parametrize("start", [b"\x28\xb5\x2f\xfd", b"BZh9"])
def test_compressions_that_are_not_read_are_told(keep, target, start):
    with pytest.raises(DataError, match="compressed with zstd or bzip2"):
        unpack(keep(start + b"more"), target, pictures)


def test_a_damaged_zip_is_told_by_its_own_checksum(keep, target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.png", b"picture")
    with pytest.raises(DataError, match=r"must be a whole zip.*CRC"):
        unpack(keep(buffer.getvalue().replace(b"picture", b"pixture", 1)), target, pictures)


def test_encrypted_archives_are_told(keep, target, zipped):
    data = bytearray(zipped({"a.png": b"secret"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match="encrypted"):
        unpack(keep(bytes(data)), target, pictures)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", b"PK\x03\x04", b"!<arch>\n", b"\x1f\x8b", b"\xfd7zXZ\x00"]),
    rest=st.binary(max_size=300),
)
def test_garbage_is_refused_and_writes_nothing(keep, target, start, rest):
    with suppress(DataError):
        assert unpack(keep(start + rest), target, pictures) == []
    assert list(target.iterdir()) == []


def test_folders_that_cannot_be_written_are_told(keep, target, zipped):
    (target / "a.png").mkdir()
    with pytest.raises(DataError, match="must fit below"):
        unpack(keep(zipped(FILES)), target, pictures)
