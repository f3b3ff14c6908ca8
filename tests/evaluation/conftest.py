"""Folders of small made-up originals, sets of them, and systems that need no weights."""

import numpy as np
import pytest
import torch

from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.set_assembly import make_set
from nlcunet.evaluation.systems import System, stack
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.imaging.resize import resize_bicubic


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Results of tests never land in the user's cache, nor in another test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def write_smooth_picture(path, *, height=50, width=47, channels=3, dtype=np.uint8, seed=0):
    coarse = torch.rand(channels, 9, 9, generator=torch.Generator().manual_seed(seed))
    smooth = resize_bicubic(coarse, height, width).clamp(0, 1).permute(1, 2, 0).numpy()
    largest = np.iinfo(dtype).max
    write_picture(Picture(pixels=(smooth * largest).round().astype(dtype)), path)
    return path


@pytest.fixture
def make_original(tmp_path):
    """Writes a smooth random picture under a name and returns its path."""

    def make(name="a.png", **look):
        return write_smooth_picture(tmp_path / name, **look)

    return make


@pytest.fixture
def originals(tmp_path):
    """A folder of two originals, one of them grey."""
    folder = tmp_path / "originals"
    folder.mkdir()
    write_smooth_picture(folder / "a.png", seed=1)
    write_smooth_picture(folder / "b.png", channels=1, height=44, seed=2)
    return folder


@pytest.fixture
def small_set(originals, tmp_path):
    """A set on disk: two originals, two blurs each, ×4."""
    target = tmp_path / "small"
    make_set(originals, find_protocol("gaussian8", 4, (1.8, 3.2)), target, "Small")
    return target


class Counting:
    """A system that enlarges by a factor, notes what it was asked for, and can fail on the way."""

    def __init__(self, name="bicubic", scale=4, fail_at=None, gain=1.0):
        self.calls = []
        self.fail_at = fail_at
        self.scale = scale
        self.gain = gain
        self.system = System(
            facts=SystemFacts(name=name, system_kind="network", scale=scale), identity=name, enlarge=self.enlarge
        )

    def enlarge(self, pairs):
        if self.fail_at is not None and len(self.calls) == self.fail_at:
            raise KeyboardInterrupt
        self.calls.append([pair.stem for pair in pairs])
        low_res = stack(pairs)
        return self.gain * resize_bicubic(low_res, self.scale * low_res.shape[-2], self.scale * low_res.shape[-1])


@pytest.fixture
def counting():
    """Makes a `Counting` system."""
    return Counting
