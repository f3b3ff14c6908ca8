"""What enlarges pictures of any kind, whether with one network or with those that suit each picture."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, Unpack, overload

import numpy as np
from torch import Tensor

from nlcunet.imaging.picture import DEFAULT_MAX_PIXELS, Picture
from nlcunet.inference.image_types import open_image
from nlcunet.inference.sizes import SizeRequest, Wrap, is_reduction

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from nlcunet.inference.upscaler import Upscaler

Progress = Callable[[int, int], None]
"""Called after every tile with the number of tiles done and the number of all tiles."""

Same = TypeVar("Same", np.ndarray, Tensor, "PillowImage")
"""What comes out as it went in."""

PictureLike: TypeAlias = str | Path | bytes | Picture
"""What comes out as a ``Picture``."""


REDUCED = "Only made smaller, so no network was used."
"""What is told of such pictures."""


@dataclass(frozen=True)
class Chosen:
    """With what a picture is enlarged.

    Attributes:
        upscaler: one network with all settings.
        notes: why this one, a sentence; nothing where it was named.
    """

    upscaler: "Upscaler"
    notes: tuple[str, ...] = ()


def choice_facts_of(name: str, weights: str, scale: int, quality: str, request: SizeRequest) -> dict[str, Any]:
    """With what pictures are enlarged, as ``Enlarger.choice_facts`` tells it."""
    return {"model": name, "weights": weights, "scale": request.scale or scale, "quality": quality}


class UpscaleOptions(TypedDict, total=False):
    """What ``Enlarger.upscale`` takes by name; it says what each means."""

    width: int | None
    height: int | None
    long_edge: int | None
    wrap: Wrap
    progress: Progress | None


class Enlarger(ABC):
    """Enlarges pictures; what comes out is of the kind that went in. Calling it is the same as ``upscale``.

    Attributes:
        default_scale: where ``upscale`` is asked for no size; nothing for the network's own scale.
    """

    default_scale: float | int | None = None

    @abstractmethod
    def for_picture(
        self,
        source: Path | bytes | Picture,
        request: SizeRequest,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        decoded: Picture | None = None,
    ) -> Chosen:
        """The upscaler for a picture.

        Args:
            source: a file, the bytes of one, or a picture in memory.
            request: the size of the result.
            max_pixels: width × height up to which a file is decoded.
            decoded: what is in the file, where it has been decoded already.

        Raises:
            ImageError: the file cannot be read.
            WeightsError: weights are missing or damaged.
        """

    @abstractmethod
    def for_size(self, request: SizeRequest) -> "Upscaler":
        """An upscaler for results of this size, before any picture is looked at."""

    def for_sized(
        self,
        source: Path | bytes | Picture,
        size: tuple[int, int],
        request: SizeRequest,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        decoded: Picture | None = None,
    ) -> Chosen:
        """As ``for_picture``; one of this size (height, width) that is only made smaller is not looked at."""
        if is_reduction(size, request.resolve(*size, default_scale=1)):
            return Chosen(self.for_size(request), (REDUCED,))
        return self.for_picture(source, request, max_pixels=max_pixels, decoded=decoded)

    @abstractmethod
    def choice_facts(self, request: SizeRequest) -> dict[str, Any]:
        """With what every picture is enlarged, as plain values: model, weights, scale and quality.

        They are equal for the same command on another machine, device or engine.
        """

    @overload
    def upscale(self, image: Same, scale: float | int | None = ..., **options: Unpack[UpscaleOptions]) -> Same: ...
    @overload
    def upscale(  # type: ignore[overload-overlap]  # a string is a file, no sequence of files
        self, image: PictureLike, scale: float | int | None = ..., **options: Unpack[UpscaleOptions]
    ) -> Picture: ...
    @overload
    def upscale(
        self, image: Sequence[Same], scale: float | int | None = ..., **options: Unpack[UpscaleOptions]
    ) -> list[Same]: ...
    @overload
    def upscale(
        self, image: Sequence[PictureLike], scale: float | int | None = ..., **options: Unpack[UpscaleOptions]
    ) -> list[Picture]: ...
    def upscale(
        self,
        image: Any,
        scale: float | int | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        long_edge: int | None = None,
        wrap: Wrap = "none",
        progress: Progress | None = None,
    ) -> Any:
        """The image, enlarged; what comes out is of the kind that went in.

        What a ``Picture`` says in its ``notes`` begins with why its network was chosen, where it was.

        Args:
            image: one of: a NumPy array (height, width) or ([batch,] height, width, 1 to 4) of uint8, uint16, or floats
                in [0, 1]; a torch tensor ([batch,] 1 to 4, height, width) of uint8 or floats in [0, 1]; a Pillow image;
                a ``Picture``; the path or the bytes of a file, which give a ``Picture`` with the file's metadata; or a
                list of any of these, which gives a list. Two or four channels are grey or colour with alpha.
            scale: enlargement, any positive number; by default that of ``nlcunet.load``, or else the network's own.
            width: columns of the result instead of a scale; alone it keeps the shape.
            height: rows of the result, likewise; with ``width`` the picture is stretched to both.
            long_edge: the longer side of the result instead of a scale.
            wrap: which opposite edges continue each other: ``"horizontal"`` for 360° panoramas, ``"both"`` for textures
                that repeat, ``"vertical"``; no seam appears where they meet.
            progress: called after every tile with the tiles done and all tiles.

        Raises:
            ConfigError: the size is not possible, or the image is of a kind or range that is not accepted.
            ImageError: the file cannot be read.
            DeviceError: the memory is too small for the result or for the smallest tile.
        """
        request = SizeRequest(scale=scale, width=width, height=height, long_edge=long_edge, wrap=wrap)
        if request.is_default:
            request = replace(request, scale=self.default_scale)
        opened = open_image(image)
        chosen = [
            self.for_sized(source, (picture.height, picture.width), request, decoded=picture)
            for source, picture in zip(opened.sources, opened.pictures, strict=True)
        ]
        pairs = list(zip(chosen, opened.pictures, strict=True))
        works = [each.upscaler.plan(picture.height, picture.width, request) for each, picture in pairs]
        total, done = sum(work.tile_count for work in works), count(1)

        def on_tile() -> None:
            if progress is not None:
                progress(next(done), total)

        results = []
        for (each, picture), work in zip(pairs, works, strict=True):
            noted = replace(picture, notes=(*each.notes, *picture.notes))
            results.append(each.upscaler.upscale_picture(noted, work, on_tile))
        return opened.close(results)

    __call__ = upscale
