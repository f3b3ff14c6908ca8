"""Padding to the sizes that a network takes."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from nlcunet.errors import ConfigError


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple of ``multiple`` that is at least ``length``."""
    return -(-length // multiple) * multiple


def pad_to_multiple(
    image: Shaped[Tensor, "*batch height width"], multiple: int, *, at_least: int = 1
) -> Shaped[Tensor, "*batch padded_height padded_width"]:
    """Extend a picture below and to the right until both sides are multiples of ``multiple``.

    The picture keeps its place at the top left: what a network makes of it is the first ``scale · height`` rows and
    ``scale · width`` columns of its output. New pixels mirror the picture (the edge pixel itself is not repeated); a
    side too short for that repeats its last pixel.

    Args:
        image: pictures of any number type and any number of channels.
        multiple: what both sides must divide by.
        at_least: the least length of a side after padding.

    Returns:
        The padded pictures; ``image`` itself where nothing is missing.

    Raises:
        ConfigError: ``multiple`` is below 1, or the picture is empty.
    """
    height, width = image.shape[-2:]
    if multiple < 1 or height < 1 or width < 1:
        raise ConfigError(
            f"padding needs a multiple of at least 1 and a picture of at least 1×1: got {multiple} and {width}×{height}"
        )
    padded_height, padded_width = (round_up(max(side, at_least), multiple) for side in (height, width))
    if padded_height != height:
        image = image.index_select(-2, _mirrored_positions(height, padded_height, image.device))
    if padded_width != width:
        image = image.index_select(-1, _mirrored_positions(width, padded_width, image.device))
    return image


def _mirrored_positions(length: int, padded_length: int, device: torch.device) -> Tensor:
    """Which pixel stands at each position of a padded side."""
    positions = torch.arange(padded_length, device=device)
    if padded_length - length < length:
        return torch.where(positions < length, positions, 2 * (length - 1) - positions)
    return positions.clamp(max=length - 1)
