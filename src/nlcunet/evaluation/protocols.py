"""Protocols: exactly how a set of originals becomes pairs, and in which words a table says so."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nlcunet.degradations.presets import FixedSigmas, draw_record, find_preset, fixed_records
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError

SUMMARIES: dict[str, str] = {
    "bicubic": "no blur",
    "gaussian8": "8 isotropic Gaussian blurs",
    "anisotropic-standin": "one anisotropic Gaussian blur per picture",
}
"""What each protocol does, by name."""

PRESET_OF_PROTOCOL = {"bicubic": "bicubic", "gaussian8": "gaussian8", "anisotropic-standin": "anisotropic"}
"""The degradation preset behind each protocol. "standin": made like DIV2KRK, yet not DIV2KRK, and never named so."""


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

    @property
    def border_px(self) -> int:
        """Pixels left out at each side when measuring: the scale."""
        return self.scale

    @property
    def is_partial(self) -> bool:
        """Whether some of the protocol's kernels are left out, so that its means are not the published kind."""
        full = find_preset(PRESET_OF_PROTOCOL[self.name], self.scale).kernels
        return isinstance(full, FixedSigmas) and self.sigmas_px != full.sigmas_px

    def records(self, image: str) -> tuple[tuple[int, DegradationRecord], ...]:
        """What is done to a picture, once for each pair that it yields.

        Args:
            image: File name; where the protocol draws at random, the name is the seed, so that neither the order of
                the files nor the files left out matter.

        Returns:
            Pairs of the kernel's number within the protocol and its record.
        """
        preset = find_preset(PRESET_OF_PROTOCOL[self.name], self.scale)
        if self.name == "anisotropic-standin":
            seed = zlib.crc32(f"{self.name} {self.version} x{self.scale} {image}".encode())
            return ((0, draw_record(preset, torch.Generator().manual_seed(seed))),)
        numbered = enumerate(fixed_records(preset))
        return tuple(pair for pair in numbered if not self.sigmas_px or pair[1].sigma_px in self.sigmas_px)

    def description(self) -> tuple[str, ...]:
        """The protocol in a few lines, to stand above every table that uses it."""
        degradation = SUMMARIES[self.name]
        if self.sigmas_px:
            sigmas = ", ".join(f"{sigma:.2f}" for sigma in self.sigmas_px)
            degradation = f"21×21 isotropic Gaussian blur of sigma {sigmas} px"
        elif self.name == "anisotropic-standin":
            degradation += " as in DIV2KRK's recipe, but for bicubic downsampling and other photographs"
        part = " (a part of it)" if self.is_partial else ""
        name = f"Protocol {self.name} ×{self.scale}, version {self.version}{part}"
        made = (
            f"Input: original cropped to multiples of {self.scale}; {degradation}; reflected borders; antialiased "
            "bicubic downsampling (MATLAB imresize); rounded to 8 bits; no noise."
        )
        measured = (
            f"Measure: output rounded to 8 bits, border of {self.border_px} px left out; PSNR and SSIM (11×11 Gaussian "
            "window, sigma 1.5, valid region) on Y of BT.601 studio range; PSNR on RGB."
        )
        return (name, made, measured)


def find_protocol(name: str, scale: int, sigmas_px: Sequence[float] = ()) -> Protocol:
    """The protocol of that name.

    Args:
        name: Key of `SUMMARIES`.
        scale: 2, 3 or 4.
        sigmas_px: Measure with these of Gaussian8's kernels only; all by default. Two decimals are enough.

    Raises:
        ConfigError: If there is no such protocol at that scale, or no such sigma in it.
    """
    if name not in SUMMARIES:
        raise ConfigError(f"the protocol must be one of {', '.join(SUMMARIES)}: got {name!r}")
    kernels = find_preset(PRESET_OF_PROTOCOL[name], scale).kernels
    if not isinstance(kernels, FixedSigmas):
        if sigmas_px:
            raise ConfigError(f"sigmas can be chosen for gaussian8 only: got {name}; leave them out")
        return Protocol(name=name, scale=scale)
    chosen = []
    for wanted in sigmas_px:
        nearest = min(kernels.sigmas_px, key=lambda sigma: abs(sigma - wanted))
        if abs(nearest - wanted) > 0.0051:
            known = ", ".join(f"{sigma:.2f}" for sigma in kernels.sigmas_px)
            raise ConfigError(f"each sigma of {name} ×{scale} must be one of {known}: got {wanted}")
        chosen.append(nearest)
    return Protocol(name=name, scale=scale, sigmas_px=tuple(sorted(set(chosen))) or kernels.sigmas_px)
