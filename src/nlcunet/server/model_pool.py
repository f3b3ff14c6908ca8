"""Models in memory once, for all jobs that use them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nlcunet.errors import ConfigError
from nlcunet.inference.automatic import AutomaticUpscaler
from nlcunet.inference.engines.shared import SharedEngine
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.enlarging import Enlarger
from nlcunet.inference.upscaler import Upscaler
from nlcunet.inspection.choice import clean_model, denoising_headers, has_family
from nlcunet.models.blending import has_pair, load_mixture
from nlcunet.models.fetching.repository import find_model
from nlcunet.models.weights import AUTOMATIC, LoadedModel, WeightsHeader, embedded_models, find_header
from nlcunet.runtime import choose_device, choose_dtype
from nlcunet.server.orders import Order
from nlcunet.server.settings import ServerSettings

Key = tuple[str, float | None, float | None]
"""Name of the model, strength, and denoise."""


@dataclass
class _Entry:
    model: LoadedModel
    engine: SharedEngine
    users: int = 0


class ModelPool:
    """Loads models when they are first asked for, and keeps the few that were used last.

    Raises:
        WeightsError: a model on offer is not there.
        ConfigError: two have one name.
        DeviceError: there is no such device.
    """

    def __init__(self, settings: ServerSettings, on_batch: Callable[[int, float], None] = lambda *_: None) -> None:
        self._settings = settings
        self._on_batch = on_batch
        self._device = choose_device(settings.device)
        self._dtype = choose_dtype(settings.precision, self._device)
        offered = {source: find_header(source) for source in map(find_model, settings.models or embedded_models())}
        names = [header.name for header in offered.values()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"models on offer must have names of their own: two are called {twice}; rename a file")
        self.headers: dict[str, WeightsHeader] = {header.name: header for header in offered.values()}
        self._sources = {header.name: source for source, header in offered.items()}
        self._guard = threading.Lock()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    @property
    def default_model(self) -> str:
        """For orders without model and scale: the one named in the settings, that for clean pictures, or the first."""
        return self.model_for(Order())

    def takes_strength(self, name: str) -> bool:
        """Whether a model on offer has both PSNR and GAN weights, so that an order may name a strength."""
        return has_pair(self._sources[name])

    def model_for(self, order: Order) -> str:
        """The name of the model that an order gets; where it is chosen by the picture, that for clean ones.

        Raises:
            ConfigError: it names one that is not on offer.
        """
        named = order.model or self._settings.default_model
        if named in self.headers:
            return named
        if order.model not in {None, AUTOMATIC}:
            raise ConfigError(f"model must be {AUTOMATIC} or one of {', '.join(self.headers)}: got {order.model!r}")
        headers = self._candidates(order)
        return clean_model(headers, order.scale) if has_family(headers) else next(iter(self.headers))

    def _candidates(self, order: Order) -> tuple[WeightsHeader, ...]:
        """Of what is chosen by the picture; by name, as orders name it."""
        headers = tuple(self.headers.values())
        if order.denoise is not None:
            headers = denoising_headers(headers)
        if order.strength is None:
            return headers
        return tuple(header for header in headers if self.takes_strength(header.name)) or headers

    def _is_automatic(self, order: Order) -> bool:
        named = order.model or self._settings.default_model
        return named not in self.headers and has_family(self._candidates(order))

    @contextmanager
    def upscaler(self, order: Order) -> Iterator[Enlarger]:
        """What enlarges as the order wants it; its models stay in memory while they are used."""
        with ExitStack() as used:

            def open_model(name: str) -> Upscaler:
                return used.enter_context(self._borrow((name, order.strength, order.denoise), order))

            if self._is_automatic(order):
                yield AutomaticUpscaler(self._candidates(order), open_model)
            else:
                yield open_model(self.model_for(order))

    @contextmanager
    def _borrow(self, key: Key, order: Order) -> Iterator[Upscaler]:
        with self._guard:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = self._load(*key)
            entry.users += 1
            self._entries.move_to_end(key)
            self._let_go(self._settings.models_at_once)
        try:
            yield self._make_upscaler(entry, order)
        finally:
            with self._guard:
                entry.users -= 1

    def close(self) -> None:
        """Let go of all models; nobody may use one any more."""
        with self._guard:
            self._let_go(0)

    def _make_upscaler(self, entry: _Entry, order: Order) -> Upscaler:
        tile = self._settings.tile
        return Upscaler(entry.model, shared=entry.engine, tile="auto" if tile is None else tile, quality=order.quality)

    def _load(self, name: str, strength: float | None, denoise: float | None) -> _Entry:
        model = load_mixture(self._sources[name], strength=strength, denoise=denoise)
        engine = TorchEngine(model, self._device, self._dtype)
        return _Entry(model, SharedEngine(engine, threads=self._settings.threads, on_batch=self._on_batch))

    def _let_go(self, kept: int) -> None:
        """Close what was used longest ago, until so many are left; what is in use stays."""
        for key in [key for key, entry in self._entries.items() if entry.users == 0]:
            if len(self._entries) <= kept:
                return
            self._entries.pop(key).engine.close()
