"""What a client may ask for a picture."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nlcunet.errors import ConfigError
from nlcunet.imaging.files import writable_formats
from nlcunet.inference.quality import DEFAULT_QUALITY, find_quality
from nlcunet.inference.sizes import SizeRequest, Wrap

State = Literal["queued", "running", "done", "failed", "cancelled"]
"""Of a job; the last three are final."""

FINAL: frozenset[State] = frozenset({"done", "failed", "cancelled"})

Side = Annotated[int, Field(ge=1, le=1_000_000)]


class Order(BaseModel):
    """How a picture shall be enlarged; the same choices as the command line has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(max_length=100, description="One of `/v1/models`, or auto: by the picture.")] | (
        None
    ) = None
    scale: (
        Annotated[
            float, Field(gt=0, le=64, allow_inf_nan=False, description="Enlargement; by default the model's own.")
        ]
        | None
    ) = None
    width: Annotated[Side, Field(description="Columns of the result, instead of a scale.")] | None = None
    height: Annotated[Side, Field(description="Rows; together with width the picture is stretched.")] | None = None
    long_edge: Annotated[Side, Field(description="The longer side, instead of a scale.")] | None = None
    wrap: Annotated[
        Wrap, Field(description="Edges that continue each other: horizontal for 360° panoramas, both for textures.")
    ] = "none"
    strength: (
        Annotated[
            float,
            Field(ge=0, le=1, allow_inf_nan=False, description="0: faithful (PSNR weights) to 1: vivid (GAN weights)."),
        ]
        | None
    ) = None
    denoise: (
        Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="Noise and grain: 0: kept, to 1: removed.")]
        | None
    ) = None
    quality: Annotated[str, Field(description="fast, balanced, or best: 8 times as long.")] = DEFAULT_QUALITY
    format: Annotated[str, Field(description="png, jpeg, webp, tiff, …; by default that of the picture.")] | None = None
    file_quality: Annotated[int, Field(ge=1, le=100, description="Of jpeg, webp, avif and jxl.")] | None = None
    strip_metadata: Annotated[bool, Field(description="Leave EXIF, XMP, IPTC and resolution out.")] = False

    @model_validator(mode="after")
    def _is_possible(self) -> "Order":
        try:
            self.size()
            find_quality(self.quality)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.format is not None and self.format not in writable_formats():
            raise ValueError(f"format must be one of {', '.join(writable_formats())}: got {self.format!r}")
        return self

    def size(self) -> SizeRequest:
        """The size of the result."""
        return SizeRequest(
            scale=self.scale, width=self.width, height=self.height, long_edge=self.long_edge, wrap=self.wrap
        )
