"""Settings of the engine: one list, whichever way they are given."""

from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest

from nlcunet.inference.loading import load
from nlcunet.inference.settings import EngineOptions, EngineSettings
from nlcunet.inference.upscaler import Upscaler


def test_keyword_arguments_are_the_fields():
    assert get_type_hints(EngineOptions) == get_type_hints(EngineSettings)
    assert set(get_type_hints(EngineOptions)) == {field.name for field in fields(EngineSettings)}


def test_names_come_before_what_is_in_the_settings(tiny):
    settings = EngineSettings(device="cpu", tile=40, overlap=4, quality="best")
    upscaler = Upscaler(tiny, settings, tile=32)
    assert (upscaler.tile, upscaler.overlap, upscaler.quality) == (32, 4, "best")
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    by_names = Upscaler(tiny, device="cpu", tile=32, overlap=4, quality="best")
    np.testing.assert_array_equal(upscaler.upscale(picture), by_names.upscale(picture))


def test_an_unknown_name_is_refused():
    with pytest.raises(TypeError, match="tiles"):
        load("bicubic-x2", tiles=32)
