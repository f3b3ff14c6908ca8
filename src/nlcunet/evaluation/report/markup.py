"""Pieces of HTML: escaped words, numbers, tables that can be scrolled and sorted."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

INFINITE = "∞"
ABSENT = "–"
MAX_TONE_PERCENT = 45
"""Of the colour of a toned cell, so that its text stays readable."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table."""

    markup: str
    """What stands in it, as HTML."""
    value: float | int | str | None = None
    """By what the column is sorted; cells without go last."""
    is_best: bool = False
    tone: float = 0.0
    """Colour of its ground: blue up to 1 for gains, orange down to -1 for losses."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """Head of a column."""

    words: str
    note: str = ""
    """Its unit, in small letters below."""
    is_number: bool = True


def make_heads(words: Sequence[str], numbers: Sequence[str] = ()) -> list[Head]:
    """Heads of columns with words, and of columns with numbers behind them."""
    return [*(Head(words=one, is_number=False) for one in words), *(Head(words=one) for one in numbers)]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page."""

    identifier: str
    heading: str
    markup: str
    """HTML; empty if there is nothing to tell."""


def escape(text: str) -> str:
    """Text as HTML, for elements and attributes alike; halves of characters, as in damaged file names, become �."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"), quote=True)


def name_of(text: str) -> str:
    """A name from outside, fenced off so that its writing direction does not turn the words around it."""
    return f"<bdi>{escape(text)}</bdi>"


def number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A number in words; a real minus sign, none for what is rounded to zero, ∞ for infinity, – where there is none."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return INFINITE if value > 0 else f"−{INFINITE}"
    if round(value, decimals) == 0:
        return f"{0:.{decimals}f}"
    return f"{value:{'+' if signed else ''}.{decimals}f}".replace("-", "−")


def significant(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent: 0.0123, 1.23, 12.3, 1,230."""
    if value is None or not math.isfinite(value):
        return number(value, 0)
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".replace("-", "−")


def plural(count: int, word: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def make_table(
    caption: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]], *, row_classes: Sequence[str] = ()
) -> str:
    """A table in a box that scrolls sideways where the page is narrow. The first cell of a row is its head."""
    head = "".join(_head_cell(one) for one in heads)
    body = "\n".join(
        f"<tr{f' class={escape(row_classes[n])}' if row_classes else ''}>"
        + "".join(_body_cell(cell, heads[m], is_first=m == 0) for m, cell in enumerate(row))
        + "</tr>"
        for n, row in enumerate(rows)
    )
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table, scrolls sideways">'
        f"<table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def make_section(identifier: str, heading: str, parts: Sequence[str]) -> Section:
    """A section of the page that the contents can point to; empty where there are no parts."""
    if not parts:
        return Section(identifier=identifier, heading=heading, markup="")
    inside = "\n".join(parts)
    markup = (
        f'<section id="{identifier}" aria-labelledby="{identifier}-head">\n'
        f'<h2 id="{identifier}-head">{escape(heading)}</h2>\n{inside}\n</section>'
    )
    return Section(identifier=identifier, heading=heading, markup=markup)


def _head_cell(head: Head) -> str:
    kind = ' class="number"' if head.is_number else ""
    note = f"<small>{escape(head.note)}</small>" if head.note else ""
    return f'<th scope="col"{kind}><span>{escape(head.words)}</span>{note}</th>'


def _body_cell(cell: Cell, head: Head, *, is_first: bool) -> str:
    kinds = [kind for kind, holds in (("number", head.is_number), ("best", cell.is_best)) if holds]
    classes = f' class="{" ".join(kinds)}"' if kinds else ""
    if cell.tone:
        share = round(abs(max(-1.0, min(1.0, cell.tone))) * MAX_TONE_PERCENT)
        classes = f' class="number {"gain" if cell.tone > 0 else "loss"}" style="--share:{share}"'
    value = "" if cell.value is None else f' data-value="{escape(_sort_key(cell.value))}"'
    tag, scope = ("th", ' scope="row"') if is_first else ("td", "")
    return f"<{tag}{scope}{classes}{value}>{cell.markup}</{tag}>"


def _sort_key(value: float | int | str) -> str:
    return value if isinstance(value, str) else ("" if math.isnan(value) else repr(value))
