"""The three qualities: what each sets, and nothing else; ``docs/upscale.md`` says what each gives and costs."""

from dataclasses import dataclass

from nlcunet.errors import ConfigError
from nlcunet.models.weights import WeightsHeader

LEAST_OVERLAP = 4
"""Where less is advised, nothing is taken away: bicubic enlargement needs these to be exact."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Settings that need no training.

    Attributes:
        overlap_share: overlap of tiles as a share of what the model advises.
        self_ensemble: take the mean over the eight positions of every tile; see ``SelfEnsemble``.
    """

    overlap_share: float = 1.0
    self_ensemble: bool = False

    def overlap(self, header: WeightsHeader) -> int:
        """Overlap of tiles for a model, in low-resolution pixels."""
        advised = header.tile_overlap
        return min(advised, max(round(advised * self.overlap_share), LEAST_OVERLAP))


QUALITIES = {
    "fast": Quality(overlap_share=0.5),
    "balanced": Quality(),
    "best": Quality(self_ensemble=True),
}
"""By the names that ``--quality`` takes."""

DEFAULT_QUALITY = "balanced"


def find_quality(name: str) -> Quality:
    """The settings of a name.

    Raises:
        ConfigError: there is no such quality.
    """
    if name not in QUALITIES:
        raise ConfigError(f"quality must be {', '.join(list(QUALITIES)[:-1])} or {[*QUALITIES][-1]}: got {name!r}")
    return QUALITIES[name]
