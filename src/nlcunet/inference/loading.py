"""``nlcunet.load``: from a name, a file or nothing to an upscaler."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

import torch

from nlcunet.errors import ConfigError
from nlcunet.inference.automatic import AutomaticUpscaler
from nlcunet.inference.engines.engine import ENGINES
from nlcunet.inference.engines.exported import is_exported, open_cached, open_exported
from nlcunet.inference.quality import DEFAULT_QUALITY
from nlcunet.inference.sizes import SizeRequest
from nlcunet.inference.upscaler import Upscaler
from nlcunet.inspection.choice import denoising_headers
from nlcunet.inspection.ranges import embedded_headers
from nlcunet.models.attention_rounds import with_attention_rounds
from nlcunet.models.blending import has_pair, load_mixture
from nlcunet.models.weights import AUTOMATIC


@overload
def load(  # type: ignore[overload-overlap]  # a string that is not known to be "auto" is a name
    name_or_path: Literal["auto"] = ...,
    *,
    device: str | torch.device = ...,
    precision: str = ...,
    tile: int | Literal["auto"] = ...,
    overlap: int | None = ...,
    threads: int | None = ...,
    strength: float | int | None = ...,
    denoise: float | int | None = ...,
    quality: str = ...,
    attention_rounds: int | None = ...,
    engine: str = ...,
    on_export: Callable[[Path], None] = ...,
) -> AutomaticUpscaler: ...
@overload
def load(
    name_or_path: str | Path,
    *,
    device: str | torch.device = ...,
    precision: str = ...,
    tile: int | Literal["auto"] = ...,
    overlap: int | None = ...,
    threads: int | None = ...,
    strength: float | int | None = ...,
    denoise: float | int | None = ...,
    quality: str = ...,
    attention_rounds: int | None = ...,
    engine: str = ...,
    on_export: Callable[[Path], None] = ...,
) -> Upscaler: ...
def load(
    name_or_path: str | Path = AUTOMATIC,
    *,
    device: str | torch.device = "auto",
    precision: str = "auto",
    tile: int | Literal["auto"] = "auto",
    overlap: int | None = None,
    threads: int | None = None,
    strength: float | int | None = None,
    denoise: float | int | None = None,
    quality: str = DEFAULT_QUALITY,
    attention_rounds: int | None = None,
    engine: str = "auto",
    on_export: Callable[[Path], None] = lambda _: None,
) -> Upscaler | AutomaticUpscaler:
    """An upscaler with the model of this name or path; the other arguments are those of ``Upscaler``.

    Args:
        name_or_path: name of an embedded model, a weights file, or a file that ``nlcunet export`` has written;
            ``"auto"`` looks at each picture and takes those of the embedded weights that suit it.
        device: see ``Upscaler``, as for the following.
        precision: how numbers are kept.
        tile: longest side of a tile.
        overlap: of tiles.
        threads: on the CPU.
        strength: mix the model's PSNR weights (0) and GAN weights (1); by default exactly the weights named.
        denoise: mix weights that know noise (1) with those for clean pictures that they started from (0), so that some
            grain stays; with ``"auto"`` every picture then gets such weights. By default exactly the weights named.
        quality: ``"fast"``, ``"balanced"`` or ``"best"``; see ``nlcunet.inference.quality``.
        attention_rounds: hash rounds of sparse attention; by default as many as the weights were trained with.
        engine: ``"torch"``, ``"onnx"`` or ``"openvino"``; ``"auto"`` is torch for weights and goes by the ending of an
            exported file. For the latter two, weights are exported once into the cache folder.
        on_export: called with the file's path before weights are exported.

    Raises:
        WeightsError: there is no such model, or none to mix it with.
        DeviceError: there is no such device.
        ExportError: an export is not possible, or a library for it is missing.
        ConfigError: another argument is not possible.
    """
    settings: dict[str, Any] = {
        "device": device,
        "precision": precision,
        "tile": tile,
        "overlap": overlap,
        "threads": threads,
        "strength": strength,
        "denoise": denoise,
        "quality": quality,
        "attention_rounds": attention_rounds,
        "engine": engine,
        "on_export": on_export,
    }
    if name_or_path != AUTOMATIC:
        return _load_one(name_or_path, **settings)
    headers = embedded_headers()
    if denoise is not None:
        headers = denoising_headers(headers)
    if strength is not None:
        headers = tuple(header for header in headers if has_pair(header.name)) or headers
    automatic = AutomaticUpscaler(headers, lambda name: _load_one(name, **settings))
    if engine not in {"onnx", "openvino"}:  # those may have to export it first
        automatic.for_size(SizeRequest())  # what is not possible is better told now
    return automatic


def _load_one(
    name_or_path: str | Path,
    *,
    device: str | torch.device,
    precision: str,
    tile: int | Literal["auto"],
    overlap: int | None,
    threads: int | None,
    strength: float | int | None,
    denoise: float | int | None,
    quality: str,
    attention_rounds: int | None,
    engine: str,
    on_export: Callable[[Path], None],
) -> Upscaler:
    """An upscaler with one model."""
    if engine not in {"auto", *ENGINES}:
        raise ConfigError(f"the engine must be auto, {' or '.join(ENGINES)}: got {engine!r}")
    if is_exported(name_or_path):
        if strength is not None or denoise is not None:
            raise ConfigError(
                "weights of an exported file cannot be mixed: name the weights, or leave strength and denoise out"
            )
        if attention_rounds is not None:
            raise ConfigError(
                "rounds of attention are fixed in an exported file: name the weights, or leave attention_rounds out"
            )
        exported = open_exported(Path(name_or_path), engine, device=device, precision=precision, threads=threads)
        return Upscaler(exported, tile=tile, overlap=overlap, threads=threads, quality=quality)
    model = load_mixture(name_or_path, strength=strength, denoise=denoise)
    if attention_rounds is not None:
        model = with_attention_rounds(model, attention_rounds)
    if engine in {"onnx", "openvino"}:
        cached = open_cached(model, engine, device=device, precision=precision, threads=threads, on_export=on_export)
        return Upscaler(cached, tile=tile, overlap=overlap, threads=threads, quality=quality)
    return Upscaler(
        model, device=device, precision=precision, tile=tile, overlap=overlap, threads=threads, quality=quality
    )
