"""The page itself: one HTML file, filled in with what this server offers. All else of it happens in the browser."""

from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from string import Template

from pydantic import BaseModel, ConfigDict

from nlcunet.imaging.files import readable_formats, writable_formats
from nlcunet.imaging.formats import FORMATS
from nlcunet.inference.quality import DEFAULT_QUALITY, QUALITIES
from nlcunet.inference.sizes import WRAPS
from nlcunet.server.orders import Order
from nlcunet.server.service import Service

FILES = resources.files("nlcunet.server.page") / "files"

QUALITY_TITLES = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}
FORMAT_TITLES = {
    "png": "PNG",
    "jpeg": "JPEG",
    "webp": "WebP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "jxl": "JPEG XL",
    "heif": "HEIF",
    "gif": "GIF",
    "bmp": "BMP",
}
WRAP_TITLES = {
    "none": "End where the picture ends",
    "horizontal": "Left meets right (360°)",
    "vertical": "Top meets bottom",
    "both": "Both (textures)",
}

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class PageModel(BaseModel):
    """What the page's script must know of a model."""

    model_config = ConfigDict(frozen=True)

    scale: int
    takes_strength: bool
    takes_denoise: bool


class PageFacts(BaseModel):
    """What the page's script must know of the server."""

    model_config = ConfigDict(frozen=True)

    models: dict[str, PageModel]
    offers_denoise: bool
    default_model: str
    model_for_scale: dict[int, str]
    formats: tuple[str, ...]
    max_upload_bytes: int
    max_pixels: int
    max_output_pixels: int
    keep_seconds: float
    asks_for_key: bool


def find_facts(service: Service, *, asks_for_key: bool) -> PageFacts:
    """All of it."""
    pool, limits = service.pool, service.settings
    return PageFacts(
        models={
            name: PageModel(
                scale=header.scale,
                takes_strength=pool.takes_strength(name),
                takes_denoise=bool(header.clean_weights),
            )
            for name, header in pool.headers.items()
        },
        offers_denoise=any(header.clean_weights for header in pool.headers.values()),
        default_model=pool.default_model,
        model_for_scale={scale: pool.model_for(Order(scale=float(scale))) for scale in range(1, 9)},
        formats=tuple(_title(name) for name in readable_formats()),
        max_upload_bytes=limits.max_upload_bytes,
        max_pixels=limits.max_pixels,
        max_output_pixels=limits.max_output_pixels,
        keep_seconds=limits.keep_seconds,
        asks_for_key=asks_for_key,
    )


def render_page(facts: PageFacts) -> str:
    """The page as HTML."""
    lossy = (_title(name) for name in writable_formats() if FORMATS[name].default_quality)
    return Template((FILES / "page.html").read_text(encoding="utf-8")).substitute(
        facts=facts.model_dump_json().replace("<", "\\u003c"),  # so that no name can end the element
        scale=facts.models[facts.default_model].scale,
        models=_options({name: name for name in facts.models}),
        formats=_options({name: _title(name) for name in writable_formats()}),
        wraps=_options({name: WRAP_TITLES[name] for name in WRAPS}),
        qualities=_radios("quality", {name: QUALITY_TITLES.get(name, name) for name in QUALITIES}, DEFAULT_QUALITY),
        lossy=escape(", ".join(lossy)),
        no_strength=_hidden_unless(any(model.takes_strength for model in facts.models.values())),
        no_denoise=_hidden_unless(facts.offers_denoise),
    )


def render_key_form(*, is_wrong: bool) -> str:
    """The page that asks for an API key; it works without scripts."""
    text = (FILES / "key.html").read_text(encoding="utf-8")
    return Template(text).substitute(hidden=_hidden_unless(is_wrong))


def _title(file_format: str) -> str:
    return FORMAT_TITLES.get(file_format, file_format.upper())


def _hidden_unless(is_shown: bool) -> str:
    return "" if is_shown else "hidden"


def _options(titles: Mapping[str, str]) -> str:
    return _lines(f'<option value="{escape(value)}">{escape(title)}</option>' for value, title in titles.items())


def _radios(name: str, titles: Mapping[str, str], chosen: str) -> str:
    return _lines(
        f'<label><input type="radio" name="{name}" value="{escape(value)}"{" checked" if value == chosen else ""}>'
        f"{escape(title)}</label>"
        for value, title in titles.items()
    )


def _lines(elements: Iterable[str]) -> str:
    return "\n".join(f"      {element}" for element in elements)
