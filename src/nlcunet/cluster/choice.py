"""With what a batch is enlarged: tried out where it is started, opened by every worker."""

from dataclasses import asdict, dataclass, replace
from typing import Literal

from nlcunet.inference.engines.exported import is_exported
from nlcunet.inference.enlarging import Enlarger
from nlcunet.inference.loading import load
from nlcunet.inference.quality import DEFAULT_QUALITY
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.attention_rounds import with_attention_rounds
from nlcunet.models.blending import load_mixture
from nlcunet.models.weights import AUTOMATIC, LoadedModel, WeightsHeader

UNCHECKED_DEVICE = "cpu"
"""Where arguments are tried out: the machine that is typed at need not have the devices of the cluster."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """With what pictures are enlarged; the arguments of ``nlcunet.load``."""

    name_or_path: str = AUTOMATIC
    device: str = "auto"
    precision: str = "auto"
    tile: int | Literal["auto"] = "auto"
    overlap: int | None = None
    threads: int | None = None
    strength: float | int | None = None
    denoise: float | int | None = None
    quality: str = DEFAULT_QUALITY
    attention_rounds: int | None = None
    engine: str = "auto"

    @property
    def is_opened_by_workers(self) -> bool:
        """Whether every worker has to load or export networks itself, as they cannot be sent."""
        chosen_later = self.name_or_path == AUTOMATIC
        return chosen_later or is_exported(self.name_or_path) or self.engine not in {"auto", "torch"}

    def open(self, model: LoadedModel | None) -> Enlarger:
        """What enlarges, as ``nlcunet.load`` gives it; with a model that was sent, where there is one.

        Raises:
            NlcunetError: as ``nlcunet.load``.
        """
        if model is None:
            enlarger: Enlarger = load(**asdict(self))
            return enlarger
        return Upscaler(
            model,
            device=self.device,
            precision=self.precision,
            tile=self.tile,
            overlap=self.overlap,
            threads=self.threads,
            quality=self.quality,
        )

    def check(self, request: SizeRequest) -> tuple[WeightsHeader, LoadedModel | None]:
        """The header of the network, and the network where it can be sent; all other arguments are tried out.

        Args:
            request: the size of the results; where networks are chosen by the picture, the header is that for clean
                ones.

        Raises:
            NlcunetError: as ``nlcunet.load``.
        """
        here = replace(self, device=UNCHECKED_DEVICE)
        if self.name_or_path == AUTOMATIC or is_exported(self.name_or_path):
            return here.open(None).for_size(request).header, None
        model = load_mixture(self.name_or_path, strength=self.strength, denoise=self.denoise)
        if self.attention_rounds is not None:
            model = with_attention_rounds(model, self.attention_rounds)
        if self.is_opened_by_workers:
            return model.header, None
        here.open(model)
        return model.header, model
