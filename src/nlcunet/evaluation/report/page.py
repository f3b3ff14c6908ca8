"""The whole page: what is told in which order."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

from nlcunet.evaluation.report.contents import arrange
from nlcunet.evaluation.report.inputs import Inputs, Options
from nlcunet.evaluation.report.looks import choose_looks
from nlcunet.evaluation.report.markup import Section, escape, make_section, name_of
from nlcunet.evaluation.report.pictures import find_pictures, make_departures, make_failures, make_places
from nlcunet.evaluation.report.reproduction import make_reproduction
from nlcunet.evaluation.report.sections import (
    make_costs,
    make_degradations,
    make_images,
    make_lead,
    make_protocols,
    make_published,
    make_results,
)

MARGIN_BYTES = 20_000
"""Kept for what is written after the pictures have been chosen."""


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """A page, and what became of its pictures."""

    markup: str
    shown: int
    left_out: int
    broken: tuple[str, ...]
    """Kept pictures that could not be shown, with reasons."""


def make_page(
    inputs: Inputs, options: Options, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ReportPage:
    """One page of HTML that needs no other file.

    Raises:
        ConfigError: there is no such baseline.
        DataError: nothing was measured, or not on the same pairs.
    """
    sets = arrange(inputs.records, options.baseline)
    measured = {name for one in sets for name in one.names}
    names = list(dict.fromkeys(one.name for one in inputs.records.systems if one.name in measured))
    looks = choose_looks(names, {one.baseline for one in sets})
    title = options.title or "Super-resolution: " + ", ".join(dict.fromkeys(one.facts.name for one in sets))
    before = [
        make_section("protocol", "Protocol", make_protocols(sets)),
        make_section("results", "Results", make_results(sets, looks)),
        make_section("published", "Published by others", make_published(inputs.records)),
        make_section("cost", "Cost and quality", make_costs(sets, looks)),
        make_section("degradations", "By degradation", make_degradations(sets, looks)),
        make_section("images", "Image by image", make_images(sets, looks)),
    ]
    after = make_section("reproduce", "Reproduction", make_reproduction(sets, inputs.records.systems, inputs.files))
    used = sum(len(one.markup.encode()) for one in (*before, after)) + len(read_asset("report.css"))
    found = find_pictures(sets, names, options, options.max_bytes - used - MARGIN_BYTES, on_progress)
    pictures = [
        make_section("places", "Where systems differ most", make_places(sets, found, options)),
        make_section("failures", "Failures", make_failures(sets, names, found)),
        make_section("departures", "Departures from the input", make_departures(found)),
    ]
    return ReportPage(
        markup=wrap_page(title, make_lead(sets), [*before, *pictures, after]),
        shown=sum(len(one.figures) for one in found.every),
        left_out=sum(len(one.left_out) for one in found.every),
        broken=tuple(reason for _, reason in found.broken),
    )


def wrap_page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Head, contents, sections. A content policy forbids the page to load anything from anywhere."""
    style, script = read_asset("report.css"), read_asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    shown = [section for section in sections if section.markup]
    links = "".join(f'<li><a href="#{one.identifier}">{escape(one.heading)}</a></li>' for one in shown)
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style>'
    )
    top = (
        f'<a class="skip" href="#main">To the contents</a>\n<header><h1>{name_of(title)}</h1>\n{"".join(lead)}\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
    )
    contents = "\n".join(one.markup for one in shown)
    body = f'{top}\n<main id="main">\n{contents}\n</main>\n<script>{script}</script>'
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def read_asset(name: str) -> str:
    """A file that is written into every page."""
    return (package_files("nlcunet.evaluation.report") / "assets" / name).read_text(encoding="utf-8")
