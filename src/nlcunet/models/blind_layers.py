"""Layers that the networks with a kernel estimator share: channel attention, upsampler, skip.

Shape legend: channels of a feature map.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nlcunet.errors import ConfigError
from nlcunet.tensors import FeatureMap

UPSAMPLERS = ("stepwise", "direct")
SKIPS = ("none", "bicubic")


def check_blind_config(config: Any, counts: Sequence[str], own: Mapping[str, object]) -> None:
    """Refuse what cannot be built: by what these networks have in common, and by what only one has.

    Args:
        config: of any network with a kernel estimator.
        counts: names of its fields that must be at least 1.
        own: its further conditions, by the messages for those that are not met.

    Raises:
        ConfigError: a condition is not met.
    """
    checks = {
        f"scale must be 2, 3 or 4: got {config.scale}": config.scale in {2, 3, 4},
        **{f"{name} must be ≥ 1: got {getattr(config, name)}": getattr(config, name) >= 1 for name in counts},
        **own,
        f"upsampler must be one of {UPSAMPLERS}: got {config.upsampler!r}": config.upsampler in UPSAMPLERS,
        f"skip must be one of {SKIPS}: got {config.skip!r}": config.skip in SKIPS,
    }
    for message, is_met in checks.items():
        if not is_met:
            raise ConfigError(message)


class LeakyChannelAttention(nn.Module):
    """Squeeze and excitation with a leaky rectifier between its two 1×1 convolutions.

    Args:
        channels: channels in and out.
        reduction: so many times fewer channels in the middle, at least one.
        negative_slope: of the rectifier; 0 is a plain one.
    """

    def __init__(self, channels: int, *, reduction: int, negative_slope: float) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.negative_slope = negative_slope
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Scale every channel by a factor in (0, 1) made from all channels' means."""
        squeezed = F.leaky_relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)), self.negative_slope)
        factor: Tensor = self.excite(squeezed).sigmoid()
        return x * factor


class Upsampler(nn.Module):
    """From features to an enlarged RGB picture.

    Args:
        width: channels in.
        scale: 2, 3 or 4.
        kind: ``"stepwise"``, as published: 3×3 convolution and pixel shuffle (twice ×2 for ×4), 3×3 convolution to RGB;
            ``"direct"``, for small networks: one 3×3 convolution to 3 · scale² channels and a pixel shuffle.
        skip: ``"none"``, as published; ``"bicubic"``: adds the bicubic enlargement of the low-resolution picture, and
            starts at it.
    """

    def __init__(self, width: int, scale: int, kind: str, skip: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if kind == "direct":
            last = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
            layers += [last, nn.PixelShuffle(scale)]
        else:
            for step in (2, 2) if scale == 4 else (scale,):
                layers += [nn.Conv2d(width, step * step * width, 3, padding=1), nn.PixelShuffle(step)]
            last = nn.Conv2d(width, 3, 3, padding=1)
            layers.append(last)
        self.layers = nn.Sequential(*layers)
        self.scale = scale
        self.has_skip = skip == "bicubic"
        if self.has_skip:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, x: FeatureMap, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge; the low-resolution picture is what the skip enlarges."""
        picture: Tensor = self.layers(x)
        if not self.has_skip:
            return picture
        return picture + F.interpolate(low_res, scale_factor=self.scale, mode="bicubic").clamp(0.0, 1.0)


def leaky_pair(channels: int, kernel_size: int, negative_slope: float) -> nn.Sequential:
    """Two convolutions of equal width with a leaky rectifier between them."""
    padding = kernel_size // 2
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size, padding=padding),
        nn.LeakyReLU(negative_slope),
        nn.Conv2d(channels, channels, kernel_size, padding=padding),
    )
