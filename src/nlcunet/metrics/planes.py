"""What both PSNR and SSIM look at: 8-bit pictures, as Y or as RGB, without their borders."""

from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError
from nlcunet.imaging.colour import rgb_to_y_bt601_studio
from nlcunet.tensors import round_to_8bit

PEAK = 255.0
"""The largest value of an 8-bit picture, in both metrics; on Y too, although its range is 219."""


def y_planes(
    image: Float[Tensor, "*batch 3 height width"], border: int
) -> Float[Tensor, "*batch 1 inner_height inner_width"]:
    """Y of BT.601 in studio range, of the picture as an 8-bit file would hold it; not rounded again.

    Args:
        image: RGB in [0, 1]; clamped and rounded to 8 bits first.
        border: Pixels left out at each side, at least 0.

    Returns:
        Values from 16 to 235, float64.

    Raises:
        ConfigError: If nothing is left between the borders.
    """
    return rgb_to_y_bt601_studio(round_to_8bit(crop_border(image, border).double()))


def rgb_planes(
    image: Float[Tensor, "*batch 3 height width"], border: int
) -> Float[Tensor, "*batch 3 inner_height inner_width"]:
    """RGB from 0 to 255 of the picture as an 8-bit file would hold it, float64; arguments as of `y_planes`.

    Raises:
        ConfigError: If nothing is left between the borders.
    """
    return PEAK * round_to_8bit(crop_border(image, border).double())


def crop_border(
    image: Float[Tensor, "*batch height width"], border: int
) -> Float[Tensor, "*batch inner_height inner_width"]:
    """The picture without `border` pixels on each of its four sides.

    Raises:
        ConfigError: If the border is negative, or nothing is left.
    """
    height, width = image.shape[-2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise ConfigError(
            f"the border must be at least 0 and leave some of the picture: got {border} px of {height} × {width}; "
            "measure a larger picture"
        )
    return image[..., border : height - border, border : width - border]


def check_same_shape(result: Tensor, original: Tensor) -> None:
    """Refuses pictures that cannot be compared pixel by pixel.

    Raises:
        ConfigError: If their shapes differ.
    """
    if result.shape != original.shape:
        raise ConfigError(
            "a picture and its original must have the same shape: "
            f"got {tuple(result.shape)} and {tuple(original.shape)}; crop or resize one of them"
        )
