"""Folders of small made-up originals."""

import numpy as np
import pytest
import torch

from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.imaging.resize import resize_bicubic


@pytest.fixture
def make_original(tmp_path):
    """Writes a smooth random picture under a name and returns its path."""

    def make(name="a.png", *, height=50, width=47, channels=3, dtype=np.uint8, seed=0):
        coarse = torch.rand(channels, 9, 9, generator=torch.Generator().manual_seed(seed))
        smooth = resize_bicubic(coarse, height, width).clamp(0, 1).permute(1, 2, 0).numpy()
        largest = np.iinfo(dtype).max
        path = tmp_path / name
        write_picture(Picture(pixels=(smooth * largest).round().astype(dtype)), path)
        return path

    return make
