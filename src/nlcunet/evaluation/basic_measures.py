"""The measures of every published table: PSNR and SSIM on Y, PSNR on RGB."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError
from nlcunet.metrics.psnr import psnr_rgb, psnr_y
from nlcunet.metrics.ssim import ssim_y


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that says how good an enlarged picture is."""

    name: str
    unit: str
    better: str
    metric: Callable[..., Tensor]

    def score(
        self,
        output: Float[Tensor, "3 height width"],
        truth: Float[Tensor, "3 height width"],
        low_res: Float[Tensor, "3 low_height low_width"],
        record: DegradationRecord | None,  # noqa: ARG002
    ) -> float:
        """The number for one pair."""
        return float(self.metric(output, truth, border=truth.shape[-1] // low_res.shape[-1]))


MEASURES = {
    "psnr_y": Measure(name="psnr_y", unit="dB", better="higher", metric=psnr_y),
    "ssim_y": Measure(name="ssim_y", unit="", better="higher", metric=ssim_y),
    "psnr_rgb": Measure(name="psnr_rgb", unit="dB", better="higher", metric=psnr_rgb),
}


def find_measures(names: Sequence[str]) -> tuple[Measure, ...]:
    """The measures of those names.

    Raises:
        ConfigError: If there is none of a name.
    """
    for name in names:
        if name not in MEASURES:
            raise ConfigError(f"a measure must be one of {', '.join(MEASURES)}: got {name!r}")
    return tuple(MEASURES[name] for name in names)
