"""Bands of libvips as grey or RGB of a type that a picture can have."""

from typing import Any

_INTEGER_BITS = {"uchar": 8, "ushort": 16, "uint": 32}


def as_grey_or_rgb(
    image: Any, num_colours: int, alpha_band: int | None, *, is_foreign: bool
) -> tuple[Any, Any | None, tuple[str, ...]]:
    """Colour bands as grey or RGB of 8 or 16 bits or float, the alpha band, and notes on colour conversion.

    Args:
        image: libvips' picture, not decoded yet.
        num_colours: Bands of colour, which come first.
        alpha_band: The band of alpha, if there is one.
        is_foreign: Whether the colours are neither grey nor RGB.

    Raises:
        pyvips.Error: A profile is damaged beyond use.
    """
    colour = image.extract_band(0, n=num_colours)
    alpha = None if alpha_band is None else image.extract_band(alpha_band)
    if not is_foreign:
        return _narrowed(colour), None if alpha is None else _narrowed(alpha), ()
    if num_colours == 4:
        colour, notes = _cmyk_to_srgb(image, colour)
    else:
        notes = (f"The colours were converted from {image.interpretation} to sRGB.",)
        colour = colour.colourspace("srgb" if image.format == "uchar" else "rgb16")
    return colour, None if alpha is None else _to_bits(alpha, 8 if colour.format == "uchar" else 16), notes


def signed_lab(image: Any) -> Any:
    """8 bit CIELAB as stored in a TIFF (TIFF 6.0, section 23): L is unsigned, a and b are signed."""
    lightness = image.extract_band(0) * (100 / 255)
    chroma = image.extract_band(1, n=2).copy(format="char").cast("float")
    extra = [image.extract_band(3, n=image.bands - 3) / 255] if image.bands > 3 else []
    return lightness.bandjoin([chroma, *extra]).copy(interpretation="lab")


def _narrowed(band: Any) -> Any:
    """Bands of 32 bit integers as 16, of double precision as single; others as they are."""
    if band.format == "uint":
        return (band >> 16).cast("ushort")
    return band.cast("float") if band.format == "double" else band


def _to_bits(band: Any, bits: int) -> Any:
    """Bring a band to 8 or 16 bits over its whole range."""
    if band.format in {"float", "double"}:
        return (band * (2**bits - 1)).rint().cast("uchar" if bits == 8 else "ushort")
    have = _INTEGER_BITS[band.format]
    return band.cast("uint").linear((2**bits - 1) / (2**have - 1), 0).rint().cast("uchar" if bits == 8 else "ushort")


def _cmyk_to_srgb(image: Any, colour: Any) -> tuple[Any, tuple[str, ...]]:
    """Ink to light, by the file's own profile or by a usual one for coated paper."""
    depth = 8 if colour.format == "uchar" else 16
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    has_own = profile[16:20] == b"CMYK"
    converted = colour.icc_transform(
        "srgb", embedded=has_own, input_profile="cmyk", depth=depth, intent="relative", black_point_compensation=True
    )
    by = "the profile in the file" if has_own else "a general profile, since the file has none of its own"
    return converted, (f"The colours were converted from CMYK to sRGB by {by}.",)
