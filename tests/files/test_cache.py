import os
from pathlib import Path

import pytest

from nlcunet.errors import ConfigError
from nlcunet.files.cache import cache_folder


def test_the_most_special_setting_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/nlcunet")
    assert cache_folder("bench") == Path("/elsewhere/nlcunet/bench")
    monkeypatch.setenv("NLCUNET_CACHE", str(tmp_path))
    assert cache_folder("bench") == tmp_path / "bench"
    monkeypatch.setenv("NLCUNET_CACHE", "~/kept")
    assert cache_folder() == Path.home() / "kept"
    monkeypatch.delenv("NLCUNET_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "nlcunet"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_what_the_standard_says_to_ignore_is_ignored(monkeypatch, value):
    monkeypatch.delenv("NLCUNET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == Path.home() / ".cache" / "nlcunet"


@pytest.mark.skipif(os.name == "nt", reason="Windows always knows a home folder")
def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    for name in ("NLCUNET_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)
    with pytest.raises(ConfigError, match="set NLCUNET_CACHE"):
        cache_folder()
