"""A node for ComfyUI, https://github.com/comfyanonymous/ComfyUI: enlarge an IMAGE with nlcunet's own upscaler.

``examples/comfyui/nlcunet`` is the folder that goes into ``custom_nodes``; it needs no more than this file. ComfyUI's
own modules are used where they are there: its device, its folder ``models/upscale_models``, its bar, its stop button.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import WeightsError
from nlcunet.inference.loading import load
from nlcunet.inference.quality import DEFAULT_QUALITY, QUALITIES
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import DEFAULT_MODEL, embedded_models, read_header

DEVICES = ("cpu", "cuda", "mps")
"""Kinds of device that the upscaler knows; for any other it chooses itself."""
FOLDER_KIND = "upscale_models"


class NLCUnetUpscale:
    """Enlarges a batch of pictures in tiles that fit the memory; ComfyUI reads the names in capitals.

    The upscaler is kept between runs, until other settings are asked for.
    """

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"
    DESCRIPTION = "Blind super-resolution with NLCUnet: sharp pictures at any scale, hairlines included."

    def __init__(self) -> None:
        self._settings: tuple[str, str, int, str] | None = None
        self._upscaler: Upscaler | None = None

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """The sockets and widgets of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "model": (list_models(), {"default": DEFAULT_MODEL}),
                "scale": (
                    "FLOAT",
                    {"default": 0.0, "min": 0.0, "max": 16.0, "step": 0.05, "tooltip": "0: the model's own"},
                ),
                "quality": (list(QUALITIES), {"default": DEFAULT_QUALITY}),
                "tile": (
                    "INT",
                    {"default": 0, "min": 0, "max": 4096, "step": 4, "tooltip": "longest side; 0 fits the free memory"},
                ),
            }
        }

    def upscale(
        self,
        image: Float[Tensor, "batch height width channels"],
        model: str,
        scale: float | int = 0.0,
        quality: str = DEFAULT_QUALITY,
        tile: int = 0,
    ) -> tuple[Float[Tensor, "batch high_height high_width channels"]]:
        """Enlarge the pictures; values in [0, 1], channels last, as ComfyUI passes them.

        Args:
            image: three channels, or four with alpha.
            model: one of ``list_models``.
            scale: enlargement; 0 for the model's own.
            quality: ``"fast"``, ``"balanced"`` or ``"best"``.
            tile: longest side of a tile; 0 fits it to the free memory.

        Raises:
            WeightsError: there is no such model.
            DeviceError: the memory is too small even for the smallest tile.
        """
        upscaler = self._find_upscaler(model, quality, tile)
        batch = image.detach().float().clamp(0.0, 1.0).movedim(-1, 1)
        enlarged = upscaler.upscale(batch, scale or None, progress=_Bar().move)
        return (enlarged.movedim(1, -1).contiguous(),)

    def _find_upscaler(self, model: str, quality: str, tile: int) -> Upscaler:
        settings = (model, quality, tile, choose_device())
        if self._upscaler is None or settings != self._settings:
            self._upscaler = load(find_file(model), device=settings[3], quality=quality, tile=tile or "auto")
            self._settings = settings
        return self._upscaler


NODE_CLASS_MAPPINGS = {"NLCUnetUpscale": NLCUnetUpscale}
NODE_DISPLAY_NAME_MAPPINGS = {"NLCUnetUpscale": "Upscale Image (NLCUnet)"}


class _Bar:
    """ComfyUI's bar, and its stop button; nothing outside of ComfyUI."""

    def __init__(self) -> None:
        self._utilities, self._management = _comfy("comfy.utils"), _comfy("comfy.model_management")
        self._bar: Any = None

    def move(self, done: int, total: int) -> None:
        """Show that so many tiles are done; raises what ComfyUI raises when its user has pressed stop."""
        if self._management is not None:
            self._management.throw_exception_if_processing_interrupted()
        if self._utilities is not None:
            self._bar = self._bar or self._utilities.ProgressBar(total)
            self._bar.update_absolute(done, total)


def choose_device() -> str:
    """The device that ComfyUI computes on, if the upscaler knows its kind."""
    management = _comfy("comfy.model_management")
    device = torch.device("cpu") if management is None else management.get_torch_device()
    if management is None or device.type not in DEVICES:
        return "auto"
    return str(device)


def list_models() -> list[str]:
    """Embedded models, and files with our header in ComfyUI's folder for upscaling models."""
    names = list(embedded_models())
    folders = _comfy("folder_paths")
    if folders is None:
        return names
    for name in folders.get_filename_list(FOLDER_KIND):
        try:
            read_header(Path(folders.get_full_path(FOLDER_KIND, name) or name))
        except WeightsError:
            continue  # the folder holds other programs' models too
        names.append(name)
    return names


def find_file(model: str) -> str | Path:
    """What ``load`` takes for a name of ``list_models``."""
    folders = _comfy("folder_paths")
    if folders is None or model in embedded_models():
        return model
    return Path(folders.get_full_path(FOLDER_KIND, model) or model)


def _comfy(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] not in {"comfy", "folder_paths"}:
            raise
        return None
