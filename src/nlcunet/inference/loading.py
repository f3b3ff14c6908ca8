"""``nlcunet.load``: from a name, a file or nothing to an upscaler."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Unpack, overload

from nlcunet.errors import ConfigError
from nlcunet.inference.automatic import AutomaticUpscaler
from nlcunet.inference.engines.engine import ENGINE_OF_SUFFIX, ENGINES
from nlcunet.inference.settings import EngineOptions, EngineSettings
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.inspection.choice import denoising_headers
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.models.blending import has_pair, load_mixture
from nlcunet.models.weights import AUTOMATIC, LoadedModel


@overload
def load(  # type: ignore[overload-overlap]  # a string that is not known to be "auto" is a name
    name_or_path: Literal["auto"] = ...,
    *,
    scale: float | int | None = ...,
    on_export: Callable[[Path], None] = ...,
    **options: Unpack[EngineOptions],
) -> AutomaticUpscaler: ...
@overload
def load(
    name_or_path: str | Path,
    *,
    scale: float | int | None = ...,
    on_export: Callable[[Path], None] = ...,
    **options: Unpack[EngineOptions],
) -> Upscaler: ...
def load(
    name_or_path: str | Path = AUTOMATIC,
    *,
    scale: float | int | None = None,
    on_export: Callable[[Path], None] = lambda _: None,
    **options: Unpack[EngineOptions],
) -> Upscaler | AutomaticUpscaler:
    """An upscaler with the model of this name or path.

    Args:
        name_or_path: name of an embedded model, a weights file, a folder or an ``hf://user/name`` with weights, or a
            file that ``nlcunet export`` has written; ``"auto"`` looks at each picture and takes those of the embedded
            weights that suit it and the scale.
        scale: enlargement where ``upscale`` is asked for no size, any positive number; by default the network's own.
        on_export: called with the file's path before weights are exported.
        options: any of the fields of ``EngineSettings``: device, precision, tile, overlap, threads, strength, denoise,
            quality, engine.

    Raises:
        WeightsError: there is no such model, or none to mix it with.
        DeviceError: there is no such device.
        ExportError: an export is not possible, or a library for it is missing.
        ConfigError: another argument is not possible.
    """
    request = SizeRequest(scale=scale)
    enlarger = open_model(name_or_path, EngineSettings(**options), on_export=on_export)
    enlarger.default_scale = request.scale
    return enlarger


def open_model(
    name_or_path: str | Path, settings: EngineSettings, *, on_export: Callable[[Path], None] = lambda _: None
) -> Upscaler | AutomaticUpscaler:
    """As ``load``, with the settings in one."""
    if name_or_path != AUTOMATIC:
        return _open_one(name_or_path, settings, on_export)
    headers = embedded_headers()
    if settings.denoise is not None:
        headers = denoising_headers(headers)
    if settings.strength is not None:
        headers = tuple(header for header in headers if has_pair(header.name)) or headers
    automatic = AutomaticUpscaler(headers, lambda name: _open_one(name, settings, on_export))
    if settings.engine not in {"onnx", "openvino"}:  # those may have to export it first
        automatic.for_size(SizeRequest())  # what is not possible is better told now
    return automatic


def _open_one(name_or_path: str | Path, settings: EngineSettings, on_export: Callable[[Path], None]) -> Upscaler:
    engine = settings.engine
    if engine not in {"auto", *ENGINES}:
        raise ConfigError(f"the engine must be auto, {' or '.join(ENGINES)}: got {engine!r}")
    if is_exported(name_or_path):
        if settings.strength is not None or settings.denoise is not None:
            raise ConfigError(
                "weights of an exported file cannot be mixed: name the weights, or leave strength and denoise out"
            )
        from nlcunet.inference.engines.exported import open_exported

        return Upscaler(open_exported(Path(name_or_path), settings), settings)
    model = mixed_model(name_or_path, settings)
    if engine in {"onnx", "openvino"}:
        from nlcunet.inference.engines.exported import open_cached

        return Upscaler(open_cached(model, settings, on_export=on_export), settings)
    return Upscaler(model, settings)


def mixed_model(name_or_path: str | Path, settings: EngineSettings) -> LoadedModel:
    """Weights as the settings want them: mixed where that is asked for.

    Raises:
        WeightsError: there is no such model, or none to mix it with.
        ConfigError: a setting is not possible.
    """
    return load_mixture(name_or_path, strength=settings.strength, denoise=settings.denoise)


def is_exported(name_or_path: str | Path) -> bool:
    """Whether a model is named by an exported file."""
    return Path(name_or_path).suffix.lower() in ENGINE_OF_SUFFIX
