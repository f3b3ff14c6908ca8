"""NLCUnet: a U-Net of non-local attention beside depth-wise convolutions with channel attention.

Paper: "NLCUnet: Single-Image Super-Resolution Network with Hairline Details", https://arxiv.org/abs/2307.12014.
Blind super-resolution without estimating the blur kernel: the low-resolution picture goes in, and what comes out is
added to its bicubic enlargement.

What differs from the authors' code: ×2 and ×3 work (their skip is fixed to ×4); hash rotations are fixed and the sort
is stable; attention is a choice per stage; a one-step upsampler for small networks. With ``NLCUnetConfig()`` the
network is theirs, weight for weight (``nlcunet.models.convert`` reads their names).

Shape legend: channels = width at stages encoder1; 2 · width at encoder2, decoder1, decoder2, refinement; 4 · width at
latent. Height and width of the input must be multiples of ``SIZE_MULTIPLE``; padding is the caller's work.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.errors import ConfigError
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.fused_convolution import can_compute_only
from nlcunet.models.layers import ChannelAttention, Convolution, GatedFeedForward, PixelLayerNorm
from nlcunet.models.skip import bicubic_skip
from nlcunet.models.strips import run_in_strips, upsample_in_strips
from nlcunet.tensors import FeatureMap

SIZE_MULTIPLE = 4
STAGES = ("encoder1", "encoder2", "latent", "decoder1", "decoder2", "refinement")

ATTENTION_KINDS = ("sparse", "dense", "none")
PARTS = ("local", "channel_attention")
"""Parts of a block that can be left out, to measure what they bring: depth-wise convolutions, channel attention."""
UPSAMPLERS = ("stepwise", "direct")

RunStage: TypeAlias = Callable[[nn.Sequential, FeatureMap], FeatureMap]
"""Sends features through the blocks of a stage."""


@dataclass(frozen=True, kw_only=True)
class NLCUnetConfig:
    """Shape of an NLCUnet; the defaults are the paper's final version at ×4 (18,113,619 parameters)."""

    scale: int = 4
    """Enlargement: 2, 3 or 4."""
    width: int = 64
    """Channels of the first stage; a multiple of 4."""
    depths: tuple[int, ...] = (6, 8, 10, 6, 8, 8)
    """Blocks per stage, in the order of ``STAGES``."""
    attention: tuple[str, ...] = ("sparse",) * 6
    """Attention of each stage's blocks, in the order of ``STAGES``."""
    num_hashes: int = 4
    """Hash rounds of sparse attention."""
    chunk_size: int = 144
    """Pixels per chunk of sparse attention; each chunk sees itself and its two neighbours."""
    max_buckets: int = 128
    """Most hash buckets, even."""
    upsampler: str = "stepwise"
    """``"stepwise"``: the paper's; ``"direct"``: one 3×3 convolution to 3 · scale² channels and a pixel shuffle."""
    without: tuple[str, ...] = ()
    """Parts that every block lacks, of ``PARTS``: what stands before them is passed on as it is."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        checks = {
            f"scale must be 2, 3 or 4: got {self.scale}": self.scale in {2, 3, 4},
            f"width must be a positive multiple of 4: got {self.width}": self.width > 0 and self.width % 4 == 0,
            f"depths must be {len(STAGES)} numbers ≥ 0, one per stage: got {self.depths}": len(self.depths)
            == len(STAGES)
            and all(depth >= 0 for depth in self.depths),
            f"attention must name {len(STAGES)} kinds of {ATTENTION_KINDS}: got {self.attention}": set(self.attention)
            <= set(ATTENTION_KINDS)
            and len(self.attention) == len(STAGES),
            f"num_hashes must be ≥ 1: got {self.num_hashes}": self.num_hashes >= 1,
            f"chunk_size must be ≥ 1: got {self.chunk_size}": self.chunk_size >= 1,
            f"max_buckets must be even and ≥ 2: got {self.max_buckets}": self.max_buckets >= 2
            and self.max_buckets % 2 == 0,
            f"upsampler must be one of {UPSAMPLERS}: got {self.upsampler!r}": self.upsampler in UPSAMPLERS,
            f"without must name parts of {PARTS}: got {self.without}": set(self.without) <= set(PARTS),
        }
        for message, is_met in checks.items():
            if not is_met:
                raise ConfigError(message)


class Block(nn.Module):
    """One NLCUnet block: attention beside local convolutions, merged and re-weighted; then a gated feed-forward.

    Args:
        channels: channels in and out.
        config: kinds and sizes of the attention.
        attention: the kind at this stage.
        rotation_seed: seed of this block's hash rotations.
    """

    def __init__(self, channels: int, config: NLCUnetConfig, attention: str, rotation_seed: int) -> None:
        super().__init__()
        self.norm1 = PixelLayerNorm(channels)
        self.attention = (
            None
            if attention == "none"
            else NonLocalAttention(
                channels,
                kind=attention,
                num_hashes=config.num_hashes,
                chunk_size=config.chunk_size,
                max_buckets=config.max_buckets,
                rotation_seed=rotation_seed,
            )
        )
        self.local = nn.Sequential(
            Convolution(channels, channels, 3, padding=1, groups=channels),
            nn.GELU(),
            Convolution(channels, channels, 3, padding=1, groups=channels),
        )
        self.merge = Convolution(channels if self.attention is None else 2 * channels, channels, 1)
        self.channel_attention = ChannelAttention(channels)
        self.norm2 = PixelLayerNorm(channels)
        self.feed_forward = GatedFeedForward(channels)

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Refine ``x``; same shape out."""
        return run_in_strips(self, x) if can_compute_only(x) else self.compute(x)

    def compute(self, x: FeatureMap) -> FeatureMap:
        """What the block computes, for the whole map at once; with gradients where they are wanted."""
        normed = self.norm1(x)
        branches = self.local(normed)
        if self.attention is not None:
            branches = torch.cat([self.attention(normed), branches], dim=1)
        x = x + self.channel_attention(self.merge(branches))
        refined: Tensor = x + self.feed_forward(self.norm2(x))
        return refined


class AblatedBlock(Block):
    """A block that lacks parts, to measure what these bring; see ``NLCUnetConfig.without``."""

    def __init__(self, channels: int, config: NLCUnetConfig, attention: str, rotation_seed: int) -> None:
        super().__init__(channels, config, attention, rotation_seed)
        for part in config.without:
            self.register_module(part, nn.Identity())

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Refine ``x``; same shape out."""
        return self.compute(x)


def make_stage(channels: int, config: NLCUnetConfig, name: str) -> nn.Sequential:
    """The blocks of one stage; every block has hash rotations of its own, fixed by stage name and position."""
    position = STAGES.index(name)
    kind = AblatedBlock if config.without else Block
    return nn.Sequential(
        *(
            kind(channels, config, config.attention[position], zlib.crc32(f"{name}.{index}".encode()))
            for index in range(config.depths[position])
        )
    )


def make_upsampler(config: NLCUnetConfig) -> nn.Sequential:
    """From ``width`` channels to RGB at the output resolution.

    The last convolution starts at zero, so that an untrained network answers with its bicubic skip.
    """
    width, scale = config.width, config.scale
    if config.upsampler == "direct":
        last = Convolution(width, 3 * scale * scale, 3, padding=1)
        layers: list[nn.Module] = [last, nn.PixelShuffle(scale)]
    else:
        layers = []
        for step in (2, 2) if scale == 4 else (scale,):
            layers += [Convolution(width, step * step * width, 3, padding=1), nn.PixelShuffle(step)]
        last = Convolution(width, 3, 3, padding=1)
        layers.append(last)
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers)


class NLCUnet(nn.Module):
    """The network; see the module's docstring.

    Args:
        config: shape of the network.
    """

    def __init__(self, config: NLCUnetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.head = Convolution(3, width, 3, padding=1)
        self.encoder1 = make_stage(width, config, "encoder1")
        self.down1 = nn.Sequential(Convolution(width, width // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
        self.encoder2 = make_stage(2 * width, config, "encoder2")
        self.down2 = nn.Sequential(Convolution(2 * width, width, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
        self.latent = make_stage(4 * width, config, "latent")
        self.up1 = nn.Sequential(Convolution(4 * width, 8 * width, 3, padding=1, bias=False), nn.PixelShuffle(2))
        self.merge1 = Convolution(4 * width, 2 * width, 1)
        self.decoder1 = make_stage(2 * width, config, "decoder1")
        self.up2 = nn.Sequential(Convolution(2 * width, 4 * width, 3, padding=1, bias=False), nn.PixelShuffle(2))
        self.decoder2 = make_stage(2 * width, config, "decoder2")
        self.refinement = make_stage(2 * width, config, "refinement")
        self.fusion = Convolution(2 * width, width, 3, padding=1)
        self.upsampler = make_upsampler(config)

    def forward(
        self, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """Enlarge RGB pictures in [0, 1]; the result is not clamped."""
        return self.forward_by(lambda stage, x: stage(x), low_res)

    def forward_by(
        self, run: RunStage, low_res: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 high_height high_width"]:
        """As ``forward``, with something else done in the stages; they come in the order of ``STAGES``."""
        full = run(self.encoder1, self.head(low_res))
        half = run(self.encoder2, self.down1(full))
        quarter = run(self.latent, self.down2(half))
        half = run(self.decoder1, self.merge1(torch.cat([half, self.up1(quarter)], dim=1)))
        full = run(self.refinement, run(self.decoder2, torch.cat([full, self.up2(half)], dim=1)))
        fused = self.fusion(full)
        detail = upsample_in_strips(self.upsampler, fused) if can_compute_only(fused) else self.upsampler(fused)
        result: Tensor = detail + bicubic_skip(low_res, self.config.scale)
        return result
