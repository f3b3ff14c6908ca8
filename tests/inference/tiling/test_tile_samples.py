import pytest
import torch

from nlcunet.errors import ConfigError
from nlcunet.inference.tiling.tile_samples import pad_to_multiple


def test_padding_mirrors_without_repeating_the_edge() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    assert pad_to_multiple(row, 4)[0].tolist() == [1, 2, 3, 4, 5, 4, 3, 2]


def test_a_side_too_short_to_mirror_repeats_its_last_pixel() -> None:
    assert pad_to_multiple(torch.tensor([[1.0, 2.0]]), 6)[0].tolist() == [1, 2, 2, 2, 2, 2]


def test_a_picture_that_fits_is_not_copied() -> None:
    picture = torch.rand(3, 8, 12)
    assert pad_to_multiple(picture, 4) is picture


@pytest.mark.parametrize("multiple", [1, 2, 3, 4, 8])
def test_every_size_is_padded_to_the_next_multiple_and_keeps_its_place(multiple: int) -> None:
    for height in range(1, 10):
        for width in range(1, 10):
            picture = torch.rand(2, 3, height, width)
            padded = pad_to_multiple(picture, multiple)
            assert all(
                after % multiple == 0 and 0 <= after - before < multiple
                for after, before in zip(padded.shape[-2:], (height, width), strict=True)
            )
            assert torch.equal(padded[..., :height, :width], picture)


def test_both_sides_reach_the_least_size() -> None:
    assert pad_to_multiple(torch.rand(3, 5, 40), 4, at_least=18).shape == (3, 20, 40)


def test_integer_samples_are_padded_too() -> None:
    assert pad_to_multiple(torch.tensor([[1, 2, 3]], dtype=torch.uint8), 4).dtype == torch.uint8


def test_a_multiple_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of at least 1"):
        pad_to_multiple(torch.rand(3, 4, 4), 0)


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1×1"):
        pad_to_multiple(torch.rand(3, 0, 4), 4)
