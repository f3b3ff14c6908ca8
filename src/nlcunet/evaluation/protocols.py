"""Protocols: exactly how a set of originals becomes pairs, and in which words a table says so."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nlcunet.degradations.presets import DegradationPreset, FixedSigmas, draw_record, find_preset, fixed_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.evaluation.diverse import grid_changes, grid_records
from nlcunet.evaluation.photo import CONDITIONS, condition_records

SUMMARIES: dict[str, str] = {
    "bicubic": "no blur",
    "gaussian8": "8 isotropic Gaussian blurs",
    "anisotropic-standin": "one anisotropic Gaussian blur per picture",
    "blur-noise-jpeg": "one isotropic Gaussian blur per picture, noise at half of them, JPEG at half of them",
    "diverse": "noise, JPEG, motion, defocus and plain subsampling, alone and in pairs",
    "photo": "what photographs have been through, one condition after the other",
    "photo-other": "chains that are not those of the training degradation photo",
    "div2krk": "the low-resolution pictures of DIV2KRK as they were published",
}
"""What each protocol does, by name."""

ALIASES = {"anisotropic": "anisotropic-standin"}
"""Short names for the command line; tables use the honest ones."""

PRESET_OF_PROTOCOL = {
    "bicubic": "bicubic",
    "gaussian8": "gaussian8",
    "anisotropic-standin": "anisotropic",
    "blur-noise-jpeg": "diverse",
}
"""The degradation preset behind a protocol. "standin": made like DIV2KRK, yet not DIV2KRK, and never named so."""

DRAWN_ONCE = ("anisotropic-standin", "blur-noise-jpeg")
"""Protocols that draw one degradation per picture from their preset."""

DRAWN = (*DRAWN_ONCE, "diverse", *CONDITIONS)
"""Protocols that leave something to chance, and take a seed."""

SCALES = {"div2krk": (2, 4)}
"""Scales of a protocol; by default 2, 3 and 4."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of measuring, complete: a result is only comparable with results of an equal protocol."""

    name: str
    """Key of `SUMMARIES`."""
    scale: int
    """Factor between the low-resolution input and the original."""
    sigmas_px: tuple[float, ...] = ()
    """Of Gaussian8 the sigmas that are measured, all eight or a subset; empty in the others."""
    version: int = 1
    """Rises whenever the arithmetic changes, so that old and new numbers are not mixed."""
    seed: int = 0
    """Another seed draws another set, where a protocol draws; 0 is the one that everybody measures with."""

    @property
    def border_px(self) -> int:
        """Pixels left out at each side when measuring: the scale."""
        return self.scale

    @property
    def is_partial(self) -> bool:
        """Whether some of the protocol's kernels are left out, so that its means are not the published kind."""
        full = fixed_kernels(self.name, self.scale)
        return full is not None and self.sigmas_px != full.sigmas_px

    def condition(self, index: int) -> str:
        """The name of a degradation by its number, where the protocol names its degradations; else empty."""
        return CONDITIONS[self.name][index].name if self.name in CONDITIONS else ""

    def records(self, image: str) -> tuple[tuple[int, DegradationRecord], ...]:
        """What is done to a picture, once for each pair that it yields.

        Args:
            image: File name; where the protocol draws at random, the name is the seed, so that neither the order of
                the files nor the files left out matter.

        Returns:
            Pairs of the kernel's number within the protocol and its record.

        Raises:
            ConfigError: If the protocol takes pairs as they are.
        """
        if self.name == "div2krk":
            raise ConfigError("div2krk measures published pairs and makes none: run nlcunet bench make on its folder")
        seed_text = f"{self.name} {self.version} x{self.scale} {image}" + (f" seed {self.seed}" if self.seed else "")
        if self.name == "diverse":
            return tuple(enumerate(grid_records(self.scale, seed_text)))
        if self.name in CONDITIONS:
            return tuple(enumerate(condition_records(self.name, self.scale, seed_text)))
        preset = find_preset(PRESET_OF_PROTOCOL[self.name], self.scale)
        if self.name in DRAWN_ONCE:
            seed = zlib.crc32(seed_text.encode())
            return ((0, draw_record(preset, torch.Generator().manual_seed(seed))),)
        numbered = enumerate(fixed_records(preset))
        return tuple(pair for pair in numbered if not self.sigmas_px or pair[1].sigma_px in self.sigmas_px)

    def description(self) -> tuple[str, ...]:
        """The protocol in a few lines, to stand above every table that uses it."""
        part = " (a part of it)" if self.is_partial else ""
        seed = f", seed {self.seed}" if self.seed else ""
        name = f"Protocol {self.name} ×{self.scale}, version {self.version}{seed}{part}"
        measured = (
            f"Measure: output rounded to 8 bits, border of {self.border_px} px left out; PSNR and SSIM (11×11 Gaussian "
            "window, sigma 1.5, valid region) on Y of BT.601 studio range; PSNR on RGB."
        )
        return (name, self._made(), measured)

    def _made(self) -> str:
        """How inputs come about, in one line."""
        if self.name == "div2krk":
            return f"Input: {SUMMARIES[self.name]}; originals cropped to {self.scale} times their size."
        degradation = SUMMARIES[self.name]
        end = "antialiased bicubic downsampling (MATLAB imresize); rounded to 8 bits; no noise."
        if self.sigmas_px:
            sigmas = ", ".join(f"{sigma:.2f}" for sigma in self.sigmas_px)
            degradation = f"21×21 isotropic Gaussian blur of sigma {sigmas} px"
        elif self.name == "anisotropic-standin":
            degradation += " as in DIV2KRK's recipe, but for bicubic downsampling and other photographs"
        elif self.name == "blur-noise-jpeg":
            degradation += " as the training degradation diverse draws them"
            end = "antialiased bicubic downsampling (MATLAB imresize); noise; JPEG 4:2:0; rounded to 8 bits."
        elif self.name == "diverse":
            degradation = f"a grid of {len(grid_changes(self.scale))} degradations: {degradation}"
            end = "bicubic (MATLAB imresize) or plain downsampling; noise; JPEG; rounded to 8 bits."
        elif self.name in CONDITIONS:
            degradation = "; ".join(one.described(self.scale) for one in CONDITIONS[self.name])
            end = "bicubic downsampling (MATLAB imresize) where no other is named; JPEG 4:2:0; rounded to 8 bits."
        return f"Input: original cropped to multiples of {self.scale}; {degradation}; reflected borders; {end}"


def fixed_kernels(name: str, scale: int) -> FixedSigmas | None:
    """The fixed list of kernels that a protocol measures with, if it has one."""
    preset = find_preset(PRESET_OF_PROTOCOL[name], scale) if name in PRESET_OF_PROTOCOL else None
    return preset.kernels if isinstance(preset, DegradationPreset) and isinstance(preset.kernels, FixedSigmas) else None


def find_protocol(name: str, scale: int, sigmas_px: Sequence[float] = (), *, seed: int = 0) -> Protocol:
    """The protocol of that name.

    Args:
        name: Key of `SUMMARIES` or `ALIASES`.
        scale: 2, 3 or 4; of div2krk 2 or 4.
        sigmas_px: Measure with these of Gaussian8's kernels only; all by default. Two decimals are enough.
        seed: Draw another set, where the protocol draws.

    Raises:
        ConfigError: If there is no such protocol at that scale, no such sigma in it, or nothing to draw.
    """
    name = ALIASES.get(name, name)
    if name not in SUMMARIES:
        raise ConfigError(f"the protocol must be one of {', '.join(SUMMARIES)}: got {name!r}")
    scales = SCALES.get(name, (2, 3, 4))
    if scale not in scales:
        raise ConfigError(f"scale must be one of {', '.join(map(str, scales))} for {name}: got {scale}")
    if seed and name not in DRAWN:
        raise ConfigError(f"a seed is for protocols that draw ({', '.join(DRAWN)}): got {name}; leave it out")
    kernels = fixed_kernels(name, scale)
    if kernels is None:
        if sigmas_px:
            raise ConfigError(f"sigmas can be chosen for gaussian8 only: got {name}; leave them out")
        return Protocol(name=name, scale=scale, seed=seed)
    chosen = []
    for wanted in sigmas_px:
        nearest = min(kernels.sigmas_px, key=lambda sigma: abs(sigma - wanted))
        if abs(nearest - wanted) > 0.0051:
            known = ", ".join(f"{sigma:.2f}" for sigma in kernels.sigmas_px)
            raise ConfigError(f"each sigma of {name} ×{scale} must be one of {known}: got {wanted}")
        chosen.append(nearest)
    return Protocol(name=name, scale=scale, sigmas_px=tuple(sorted(set(chosen))) or kernels.sigmas_px)
