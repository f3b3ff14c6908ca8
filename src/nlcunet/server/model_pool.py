"""Models in memory once, for all jobs that use them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nlcunet.errors import ConfigError, NlcunetError
from nlcunet.inference.engines.shared import SharedEngine
from nlcunet.inference.engines.torch import TorchEngine
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.blending import find_pair, load_blend
from nlcunet.models.weights import (
    LoadedModel,
    WeightsHeader,
    embedded_models,
    find_header,
    load_model,
    model_for_scale,
)
from nlcunet.runtime import choose_device, choose_dtype
from nlcunet.server.orders import Order
from nlcunet.server.settings import ServerSettings

Key = tuple[str, float | None]
"""Name of the model, and strength."""


@dataclass
class _Entry:
    model: LoadedModel
    engine: SharedEngine
    users: int = 0


class ModelPool:
    """Loads models when they are first asked for, and keeps the few that were used last.

    Args:
        settings: the models on offer, the device, and how many are kept.
        on_batch: called after each run of a network with its number of tiles and its seconds.

    Raises:
        WeightsError: a model on offer is not there.
        DeviceError: there is no such device.
    """

    def __init__(self, settings: ServerSettings, on_batch: Callable[[int, float], None] = lambda *_: None) -> None:
        self._settings = settings
        self._on_batch = on_batch
        self._device = choose_device(settings.device)
        self._dtype = choose_dtype(settings.precision, self._device)
        offered = {name: find_header(name) for name in settings.models or embedded_models()}
        self.headers: dict[str, WeightsHeader] = {header.name: header for header in offered.values()}
        self._sources = {header.name: source for source, header in offered.items()}
        self._guard = threading.Lock()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    @property
    def default_model(self) -> str:
        """For orders without model and scale: the one named in the settings if it is on offer, else the first."""
        chosen = self._settings.default_model
        return chosen if chosen in self.headers else next(iter(self.headers))

    def takes_strength(self, name: str) -> bool:
        """Whether a model on offer has both PSNR and GAN weights, so that an order may name a strength."""
        try:
            find_pair(self._sources[name])
        except NlcunetError:
            return False
        return True

    def model_for(self, order: Order) -> str:
        """The name of the model that an order gets.

        Raises:
            ConfigError: it names one that is not on offer.
        """
        if order.model is not None:
            if order.model not in self.headers:
                raise ConfigError(f"model must be one of {', '.join(self.headers)}: got {order.model!r}")
            return order.model
        by_scale = model_for_scale(order.scale)
        return by_scale if order.scale is not None and by_scale in self.headers else self.default_model

    @contextmanager
    def upscaler(self, order: Order) -> Iterator[Upscaler]:
        """An upscaler as the order wants it; its model stays in memory while it is used."""
        key = (self.model_for(order), order.strength)
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
        return Upscaler(entry.model, engine=entry.engine, tile="auto" if tile is None else tile, quality=order.quality)

    def _load(self, name: str, strength: float | None) -> _Entry:
        source = self._sources[name]
        model = load_model(source) if strength is None else load_blend(source, strength)
        engine = TorchEngine(model, self._device, self._dtype)
        return _Entry(model, SharedEngine(engine, threads=self._settings.threads, on_batch=self._on_batch))

    def _let_go(self, kept: int) -> None:
        """Close what was used longest ago, until so many are left; what is in use stays."""
        for key in [key for key, entry in self._entries.items() if entry.users == 0]:
            if len(self._entries) <= kept:
                return
            self._entries.pop(key).engine.close()
