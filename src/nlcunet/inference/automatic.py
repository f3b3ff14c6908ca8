"""The weights that suit each picture, chosen when it comes; see ``nlcunet.inspection.choice``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nlcunet.files.checksums import hash_values
from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Picture
from nlcunet.inference.enlarging import Chosen, Enlarger, choice_facts_of
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.inspection.choice import choosable, choose, clean_model
from nlcunet.inspection.reading import measure
from nlcunet.models.weights import AUTOMATIC, WeightsHeader


class AutomaticUpscaler(Enlarger):
    """Looks at each picture and enlarges it with the weights whose training it fits.

    Weights are loaded when a picture first needs them, all with the same settings.

    Args:
        headers: of the weights to choose from.
        open_model: gives the upscaler with the weights of this name.
    """

    def __init__(self, headers: Sequence[WeightsHeader], open_model: Callable[[str], Upscaler]) -> None:
        self._headers = tuple(headers)
        self._open_model = open_model
        self._opened: dict[str, Upscaler] = {}

    def __repr__(self) -> str:
        return f"<AutomaticUpscaler by the picture: {', '.join(header.name for header in choosable(self._headers))}>"

    def for_picture(
        self,
        source: Path | bytes | Picture,
        request: SizeRequest,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        decoded: Picture | None = None,
    ) -> Chosen:
        """The upscaler for a picture, and why it is this one."""
        traces = measure(source, max_pixels=max_pixels, decoded=decoded).traces
        choice = choose(traces, self._headers, request.scale)
        return Chosen(self._open(choice.model).shrinking(choice.shrink_to), (choice.sentence,))

    def for_size(self, request: SizeRequest) -> Upscaler:
        """The upscaler for a clean picture."""
        return self._open(clean_model(self._headers, request.scale))

    def choice_facts(self, request: SizeRequest) -> dict[str, Any]:
        """All the weights that may be chosen, and how they are mixed, in one checksum."""
        clean = self.for_size(request)
        headers = [header.model_dump(mode="json") for header in self._headers]
        weights = hash_values({"headers": headers, "clean": clean.header.name})
        return choice_facts_of(AUTOMATIC, weights, clean.header.scale, clean.quality, request)

    def _open(self, name: str) -> Upscaler:
        if name not in self._opened:
            self._opened[name] = self._open_model(name)
        return self._opened[name]
