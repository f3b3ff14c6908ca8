"""The settings as Gradio's components. They live in the browser: no event of theirs calls a function here.

What a visitor chooses goes to the page's script, which sends it along with each picture.
"""

import json
from importlib import resources
from typing import Any

import gradio
from pydantic import BaseModel, ConfigDict

from nlcunet.imaging.files import writable_formats
from nlcunet.imaging.formats import FORMATS
from nlcunet.inference.quality import DEFAULT_QUALITY, QUALITIES
from nlcunet.server.orders import Order
from nlcunet.server.service import Service

AUTOMATIC = ""
"""Instead of a model: the weights that suit each picture."""

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
"""Those of the visitor's machine; none is fetched."""

SCRIPT = "page/files/page.js"

QUALITY_TITLES = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}
FORMAT_TITLES = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF", "avif": "AVIF", "jxl": "JPEG XL"}


class ModelFacts(BaseModel):
    """What the page's script must know of a model."""

    model_config = ConfigDict(frozen=True)

    scale: int
    takes_strength: bool
    takes_denoise: bool


class PageFacts(BaseModel):
    """What the page's script must know of the server."""

    model_config = ConfigDict(frozen=True)

    models: dict[str, ModelFacts]
    offers_denoise: bool
    default_model: str
    model_for_scale: dict[int, str]
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
            name: ModelFacts(
                scale=header.scale,
                takes_strength=pool.takes_strength(name),
                takes_denoise=bool(header.clean_weights),
            )
            for name, header in pool.headers.items()
        },
        offers_denoise=any(header.clean_weights for header in pool.headers.values()),
        default_model=pool.default_model,
        model_for_scale={scale: pool.model_for(Order(scale=float(scale))) for scale in range(1, 9)},
        max_upload_bytes=limits.max_upload_bytes,
        max_pixels=limits.max_pixels,
        max_output_pixels=limits.max_output_pixels,
        keep_seconds=limits.keep_seconds,
        asks_for_key=asks_for_key,
    )


def make_blocks(service: Service, *, asks_for_key: bool) -> gradio.Blocks:
    """The page."""
    facts = find_facts(service, asks_for_key=asks_for_key)
    blocks = gradio.Blocks(title="nlcunet", analytics_enabled=False, fill_width=True)
    with blocks:
        _html("header.html", elem_id="nlc-header")
        with gradio.Row(elem_id="nlc-page"):
            with gradio.Column(elem_id="nlc-settings", scale=0, min_width=300):
                settings = _add_settings(facts)
                _html("start.html", elem_id="nlc-start")
            with gradio.Column(elem_id="nlc-work", scale=1, min_width=0):
                _html("work.html", elem_id="nlc-pictures")
        _tell_script(blocks, settings, facts)
    return blocks


def _html(name: str, elem_id: str) -> gradio.HTML:
    text = (resources.files("nlcunet.server.page") / "files" / name).read_text(encoding="utf-8")
    return gradio.HTML(text, js_on_load=None, apply_default_css=False, elem_id=elem_id)


def _add_settings(facts: PageFacts) -> dict[str, Any]:
    """The components, by the names of an order's fields."""
    default = facts.models[facts.default_model]
    formats = [(FORMAT_TITLES.get(name, name.upper()), name) for name in writable_formats()]
    return {
        "scale": gradio.Number(
            value=default.scale,
            label="Enlargement",
            info="Times the width and the height; any number, such as 2.5",
            minimum=0.01,
            maximum=64,
            step=0.5,
            interactive=True,
        ),
        "model": gradio.Dropdown(
            [("Automatic", AUTOMATIC), *facts.models],
            value=AUTOMATIC,
            label="Model",
            info="Automatic looks at each picture and says what it took",
            filterable=False,
            interactive=True,
        ),
        "strength": gradio.Slider(
            minimum=0,
            maximum=1,
            value=0,
            step=0.05,
            label="Strength",
            info="0 is faithful, 1 is vivid",
            interactive=False,
            visible=any(model.takes_strength for model in facts.models.values()),
            buttons=[],
            elem_id="nlc-strength",
        ),
        "denoise": gradio.Slider(
            minimum=0,
            maximum=1,
            value=1,
            step=0.05,
            label="Denoise",
            info="1 removes noise and grain, less keeps some",
            interactive=facts.offers_denoise,
            visible=facts.offers_denoise,
            buttons=[],
            elem_id="nlc-denoise",
        ),
        "quality": gradio.Radio(
            [(QUALITY_TITLES.get(name, name), name) for name in QUALITIES],
            value=DEFAULT_QUALITY,
            label="Quality",
            info="Best takes eight times as long",
            interactive=True,
        ),
        "format": gradio.Dropdown(
            [("As the picture", ""), *formats], value="", label="File format", filterable=False, interactive=True
        ),
        **_add_more(),
    }


def _add_more() -> dict[str, Any]:
    """What is needed rarely."""
    lossy = ", ".join(
        FORMAT_TITLES.get(name, name.upper()) for name in writable_formats() if FORMATS[name].default_quality
    )
    with gradio.Accordion("More", open=False):
        return {
            "strip_metadata": gradio.Checkbox(
                value=False, label="Leave out camera data, place and time (EXIF, XMP, IPTC)", interactive=True
            ),
            "file_quality": gradio.Number(
                value=None,
                label="File quality",
                info=f"1 to 100, for {lossy}; empty for each format's usual one",
                minimum=1,
                maximum=100,
                step=1,
                precision=0,
                interactive=True,
            ),
        }


def _tell_script(blocks: gradio.Blocks, settings: dict[str, Any], facts: PageFacts) -> None:
    """Every choice goes to the script; what follows from it comes back. Remembered choices come back at the start."""
    inputs, names = list(settings.values()), json.dumps(list(settings))
    common: dict[str, Any] = {"fn": None, "api_visibility": "private", "show_progress": "hidden"}
    blocks.load(js=_call(f"start({facts.model_dump_json()}, {names}, values)"), inputs=inputs, outputs=inputs, **common)
    for name, component in settings.items():
        component.change(js=_call(f"choose({json.dumps(name)}, values)"), inputs=inputs, outputs=inputs, **common)


def _call(call: str) -> str:
    """JavaScript that Gradio runs in the browser, with the values of all settings."""
    return f'async (...values) => (await import(new URL("{SCRIPT}", document.baseURI))).{call}'


def make_theme() -> gradio.themes.Base:
    """Neutral greys: a tint beside a picture changes how its colours look."""
    grey = gradio.themes.colors.neutral
    return gradio.themes.Base(
        primary_hue=grey, secondary_hue=grey, neutral_hue=grey, font=FONTS, font_mono=("ui-monospace", "monospace")
    )
