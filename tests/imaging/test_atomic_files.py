"""A target is whole or untouched, and nothing else is left behind, whatever goes wrong."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photographs import photograph

from nlcunet.errors import ImageWriteError
from nlcunet.files import atomic
from nlcunet.files.atomic import move_into_place, write_file_atomically
from nlcunet.files.folders import new_folder
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.server.database import open_database
from nlcunet.server.folders import JobFolders
from nlcunet.server.keys import add_key, read_hashes

OLD, NEW = b"the old picture", b"the new picture, somewhat longer"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "Größe 画像.png"
    path.write_bytes(OLD)
    return path


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_the_target_is_replaced_and_nothing_else_is_left(target):
    write_file_atomically(target, NEW)
    assert target.read_bytes() == NEW
    assert names(target.parent) == [target.name]


def test_the_file_is_on_disk_before_it_takes_its_name(target, monkeypatch):
    order = []
    flush, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("flush"), flush(descriptor)))
    monkeypatch.setattr(os, "replace", lambda old, new: (order.append("rename"), rename(old, new)))
    write_file_atomically(target, NEW)
    assert order == ["flush", "rename", "flush"]  # the last makes the folder's new entry durable


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system; the disk is read-only"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; choose another target"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied; check the permissions"),
    ],
)
def test_the_old_file_survives_a_failure_at_every_step(target, monkeypatch, step, failure, advice):
    fail_at(step, failure, monkeypatch)
    with pytest.raises(ImageWriteError, match=advice) as caught:
        write_file_atomically(target, NEW)
    assert target.name in str(caught.value)
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_no_temporary_file(target, monkeypatch, step, interrupt):
    fail_at(step, interrupt(), monkeypatch)
    with pytest.raises(interrupt):
        write_picture(photograph(), target)
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


def fail_at(step, failure, monkeypatch):
    """Let one step of writing raise; the file is created before `open` does, as an interrupt may come right after."""

    class FailingFile:
        def __init__(self, descriptor, *_arguments, **_options):
            self.descriptor = descriptor

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            os.close(self.descriptor)

        def write(self, data):
            os.write(self.descriptor, data[:5])
            raise failure

    def fail(*_arguments):
        raise failure

    def create_and_fail(path, flags, mode=0o777, real=os.open):
        if flags & os.O_CREAT:
            os.close(real(path, flags, mode))
            raise failure
        return real(path, flags, mode)

    if step == "write":
        monkeypatch.setattr(os, "fdopen", FailingFile)
    else:
        monkeypatch.setattr(os, step, create_and_fail if step == "open" else fail)


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """A real one: the system lets the process write 4,096 bytes to a file and no more."""
    script = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from nlcunet.errors import ImageWriteError
from nlcunet.imaging.files import Picture, write_picture
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
try:
    write_picture(Picture(pixels=noise), Path(sys.argv[1]))
except ImageWriteError as error:
    print(error)
    sys.exit(3)
"""
    pytest.importorskip("resource")
    target = tmp_path / "full.png"
    target.write_bytes(OLD)
    arguments = [sys.executable, "-B", "-c", script, str(target)]
    done = subprocess.run(arguments, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert "File too large" in done.stdout
    assert target.read_bytes() == OLD
    assert names(tmp_path) == ["full.png"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write")
def test_a_folder_that_cannot_be_written_is_an_error():
    with pytest.raises(ImageWriteError, match=r"must be a file that can be written .*: got /proc/picture\.png"):
        write_picture(photograph(), Path("/proc/picture.png"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ImageWriteError, match="check the permissions of the folder"):
            write_picture(photograph(), tmp_path / "a.png")
    finally:
        tmp_path.chmod(0o700)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ImageWriteError, match="No such file or directory; create the folder first"):
        write_picture(photograph(), tmp_path / "missing" / "a.png")
    assert names(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_an_error(target):
    with pytest.raises(ImageWriteError, match="Not a directory"):
        write_picture(photograph(), target / "a.png")


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "nul\0byte.png"])
def test_impossible_names_are_errors(tmp_path, name):
    with pytest.raises(ImageWriteError, match="must be a file that can be written"):
        write_picture(photograph(), tmp_path / name)
    assert names(tmp_path) == []


def test_the_longest_possible_name_works(tmp_path):
    target = tmp_path / ("a" * 251 + ".png")
    write_picture(photograph(), target)
    assert names(tmp_path) == [target.name]


def test_folders_and_devices_are_no_targets(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for target in (tmp_path / "folder.png", Path(os.devnull)):
        with pytest.raises(ImageWriteError, match="it is no ordinary file"):
            write_picture(photograph(), target, file_format="png")
    assert not Path(os.devnull).is_file()


def test_a_link_is_followed(target):
    link = target.parent / "link.png"
    link.symlink_to(target)
    write_file_atomically(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_permissions_of_the_target_are_kept(target):
    target.chmod(0o640)
    write_file_atomically(target, NEW)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.fixture
def disk_without_permissions(monkeypatch):
    """A disk that refuses to change permission bits, as many shared ones do."""

    def refuse(path, mode, **kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chmod", refuse)


@pytest.mark.usefixtures("disk_without_permissions")
def test_a_disk_that_knows_no_permissions_can_be_written(target, tmp_path):
    write_file_atomically(target, NEW)
    assert target.read_bytes() == NEW
    finished = tmp_path / "finished"
    finished.write_bytes(OLD)
    move_into_place(finished, target)
    assert target.read_bytes() == OLD
    with new_folder(tmp_path / "folder") as draft:
        (draft / "file").touch()
    assert set(names(tmp_path)) == {"folder", target.name}


@pytest.mark.usefixtures("disk_without_permissions")
def test_a_server_works_on_a_disk_that_knows_no_permissions(tmp_path):
    JobFolders(tmp_path / "server")
    open_database(tmp_path / "queue.sqlite").close()
    keys = tmp_path / "keys.json"
    key = add_key(keys, "first")
    assert list(read_hashes(keys)) == ["first"]
    assert key not in keys.read_text()


def test_a_new_file_gets_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    write_file_atomically(tmp_path / "new.png", NEW)
    assert (tmp_path / "new.png").stat().st_mode == plain.stat().st_mode


def test_a_folder_that_cannot_be_flushed_does_no_harm(target, monkeypatch):
    def fail_for_folders(descriptor, real=os.fsync):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fail_for_folders)
    write_file_atomically(target, NEW)
    assert target.read_bytes() == NEW


def test_a_failed_encoding_leaves_the_target_alone(target):
    too_wide = Picture(pixels=np.zeros((1, 70_000, 1), np.uint8))
    with pytest.raises(ImageWriteError):
        write_picture(too_wide, target, file_format="jpeg")
    assert target.read_bytes() == OLD


def test_a_picture_can_replace_the_file_it_was_read_from(tmp_path):
    path = tmp_path / "a.tif"
    write_picture(photograph(), path)
    write_picture(read_picture(path), path)
    np.testing.assert_array_equal(read_picture(path).pixels, photograph().pixels)
