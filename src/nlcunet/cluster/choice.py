"""With what a batch is enlarged: tried out where it is started, opened by every worker."""

from dataclasses import dataclass, field, replace
from typing import Any

from nlcunet.inference.enlarging import Enlarger, choice_facts_of
from nlcunet.inference.loading import is_exported, mixed_model, open_model
from nlcunet.inference.settings import EngineSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import AUTOMATIC, LoadedModel, WeightsHeader, weights_checksum

UNCHECKED_DEVICE = "cpu"
"""Where arguments are tried out: the machine that is typed at need not have the devices of the cluster."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """With what pictures are enlarged."""

    name_or_path: str = AUTOMATIC
    """As ``nlcunet.load`` takes it."""
    settings: EngineSettings = field(default_factory=EngineSettings)
    """How it is loaded and run."""

    @property
    def is_opened_by_workers(self) -> bool:
        """Whether every worker has to load or export networks itself, as they cannot be sent."""
        chosen_later = self.name_or_path == AUTOMATIC
        return chosen_later or is_exported(self.name_or_path) or self.settings.engine not in {"auto", "torch"}

    def open(self, model: LoadedModel | None) -> Enlarger:
        """What enlarges, as ``nlcunet.load`` gives it; with a model that was sent, where there is one."""
        return open_model(self.name_or_path, self.settings) if model is None else Upscaler(model, self.settings)

    def check(self, request: SizeRequest) -> tuple[WeightsHeader, LoadedModel | None]:
        """The header of the network, and the network where it can be sent; all other arguments are tried out.

        Args:
            request: the size of the results; where networks are chosen by the picture, the header is that for clean
                ones.
        """
        here = replace(self, settings=replace(self.settings, device=UNCHECKED_DEVICE))
        if self.name_or_path == AUTOMATIC or is_exported(self.name_or_path):
            return here.open(None).for_size(request).header, None
        model = mixed_model(self.name_or_path, self.settings)
        if self.is_opened_by_workers:
            return model.header, None
        here.open(model)
        return model.header, model

    def facts(self, request: SizeRequest, model: LoadedModel | None) -> dict[str, Any]:
        """With what pictures are enlarged, as ``Enlarger.choice_facts`` tells it."""
        if self.name_or_path == AUTOMATIC or is_exported(self.name_or_path):
            here = replace(self, settings=replace(self.settings, device=UNCHECKED_DEVICE))
            return here.open(None).choice_facts(request)
        model = model or mixed_model(self.name_or_path, self.settings)
        header, weights = model.header, weights_checksum(model)
        return choice_facts_of(header.name, weights, header.scale, self.settings.quality, request)
