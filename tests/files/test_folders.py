import pytest

from nlcunet.files.folders import new_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_there_when_all_of_it_is(tmp_path):
    target = tmp_path / "deep" / "target"
    with new_folder(target) as draft:
        (draft / "file").write_text("whole")
        assert not target.exists()
    assert names(target) == ["file"]
    assert names(target.parent) == ["target"]
    assert target.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_there_when_something_goes_wrong(tmp_path, error):
    def fail():
        with new_folder(tmp_path / "target") as draft:
            (draft / "file").write_text("a part")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_folder_is_replaced_as_a_whole_or_stays(tmp_path, monkeypatch):
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").touch()

    def refuse(self, other):
        if ".part" in self.name and other == target:
            raise OSError("no")
        return rename(self, other)

    rename = type(target).rename
    with monkeypatch.context() as patched:
        patched.setattr(type(target), "rename", refuse)
        with pytest.raises(OSError, match="no"), new_folder(target):
            pass
    assert names(target) == ["old"]
    with new_folder(target) as draft:
        (draft / "new").touch()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["target"]
