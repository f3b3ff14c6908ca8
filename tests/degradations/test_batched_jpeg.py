"""The batched JPEG is libjpeg's, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlcunet.degradations.batched_jpeg import COSINES, compress_steps, quantisation_tables
from nlcunet.errors import ConfigError
from nlcunet.imaging.lossy import jpeg_round_trip
from nlcunet.imaging.resize import resize_bicubic

CHROMA = ("4:2:0", "4:4:4")


def steps(kind, batch, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if kind == "noise":
        images = torch.rand(batch, 3, height, width, generator=generator)
    elif kind == "flat":
        images = torch.rand(batch, 3, 1, 1, generator=generator).expand(batch, 3, height, width)
    else:
        images = resize_bicubic(torch.rand(batch, 3, 8, 8, generator=generator), height, width)
        images = images + 0.03 * torch.randn(images.shape, generator=generator)
    return (images.clamp(0, 1) * 255).round().to(torch.int32)


def libjpeg(images, qualities, chroma):
    decoded = [
        jpeg_round_trip(image.byte().permute(1, 2, 0).numpy(), quality, chroma=chroma)
        for image, quality in zip(images, qualities, strict=True)
    ]
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).to(torch.int32)


@pytest.mark.parametrize("chroma", CHROMA)
@pytest.mark.parametrize("kind", ["smooth", "noise", "flat"])
def test_every_quality_equals_libjpeg_bit_for_bit(kind, chroma):
    qualities = list(range(1, 101))
    images = steps(kind, 100, 32, 48)
    result = compress_steps(images, quantisation_tables(qualities), chroma=chroma)
    assert torch.equal(result, libjpeg(images, qualities, chroma))


@given(
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    kind=st.sampled_from(["smooth", "noise"]),
    quality=st.integers(1, 100),
    chroma=st.sampled_from(CHROMA),
)
@settings(max_examples=60, deadline=None)
def test_every_size_equals_libjpeg_bit_for_bit(size, kind, quality, chroma):
    images = steps(kind, 1, *size)
    result = compress_steps(images, quantisation_tables([quality]), chroma=chroma)
    assert torch.equal(result, libjpeg(images, [quality], chroma))


def test_each_picture_has_its_own_quality():
    image = steps("smooth", 1, 32, 32)
    together = compress_steps(image.expand(3, -1, -1, -1), quantisation_tables([20, 60, 95]))
    errors = (together - image).abs().float().mean((1, 2, 3)).tolist()
    assert errors == sorted(errors, reverse=True)
    for index, quality in enumerate((20, 60, 95)):
        assert torch.equal(together[index], compress_steps(image, quantisation_tables([quality]))[0])


def test_tables_are_those_of_the_standard_at_quality_50_and_of_libjpeg_elsewhere():
    tables = quantisation_tables([50, 100, 1, 75])
    assert tables[0, 0, 0, :4].tolist() == [16, 11, 10, 16]
    assert tables[0, 1, 3, :4].tolist() == [47, 66, 99, 99]
    assert tables[1].unique().tolist() == [1]
    assert tables[2].amax() == 255
    assert tables[3, 0, 0, :4].tolist() == [8, 6, 5, 8]  # as in any file of quality 75


def test_the_integer_transform_is_the_cosine_transform():
    frequency, position = torch.arange(8.0)[:, None], torch.arange(8.0)
    cosines = torch.cos((2 * position + 1) * frequency * torch.pi / 16) * 2**0.5
    cosines[0] = 1
    assert (torch.tensor(COSINES) / 2**13 - cosines).abs().max() < 2e-4


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_qualities_are_refused(quality):
    with pytest.raises(ConfigError, match="JPEG quality must be 1 to 100"):
        quantisation_tables([50, quality])
