"""An examination told: as text for a terminal, as JSON, as Markdown, and as one HTML page with thumbnails."""

import base64
import html
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from nlcunet.data.checking.examination import KINDS, Examination, Finding, Kind
from nlcunet.data.checking.measures import Measures
from nlcunet.data.photographs import read_photograph
from nlcunet.errors import NlcunetError
from nlcunet.imaging.files import Picture, encode_picture
from nlcunet.imaging.resize import resize_bicubic

THUMBNAIL_PX = 128
SHOWN_PER_KIND = 60
"""Findings of a kind that get thumbnails; the rest is listed by name, so that the page stays small."""
_QUANTILES = (0.01, 0.5, 0.99)

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.6rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #8884; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.file { overflow-wrap: anywhere; }
img { display: block; max-width: 128px; max-height: 128px; }
.advice { opacity: .75; }
"""


def count_findings(found: Examination) -> dict[Kind, int]:
    """Findings per kind, in the order of the report; kinds without any are left out."""
    counts = {kind: sum(finding.kind == kind for finding in found.findings) for kind in KINDS}
    return {kind: count for kind, count in counts.items() if count}


def make_sentence(found: Examination) -> str:
    """What it comes to."""
    examined = f"{len(found.pictures)} pictures measured"
    compared = f", compared with {', '.join(found.benchmarks)}" if found.benchmarks else ""
    result = f"{len(found.findings)} findings in {len(found.bad)} files" if found.findings else "nothing found"
    return f"{examined}{compared}: {result}."


def make_json(found: Examination) -> str:
    """Everything, for programs."""
    document = {
        "format": "nlcunet doctor 1",
        "summary": {"pictures": len(found.pictures), "bad": len(found.bad), "findings": count_findings(found)},
        "benchmarks": found.benchmarks,
        "limits": asdict(found.limits),
        "findings": [asdict(finding) | {"other": _name_of(finding.other)} for finding in found.findings],
        "pictures": [
            {"file": one.name, "width": one.width, "height": one.height, **asdict(one.measures)}
            for one in found.pictures
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def make_markdown(found: Examination) -> str:
    """A page of tables."""
    lines = [f"# {found.folder.resolve().name}", "", make_sentence(found), ""]
    if found.findings:
        lines += ["| finding | files | what it means | what to do |", "|---|---:|---|---|"]
        lines += [f"| {kind} | {count} | {' | '.join(KINDS[kind])} |" for kind, count in count_findings(found).items()]
        lines.append("")
    if found.pictures:
        lines += ["| measure | 1 % | median | 99 % |", "|---|---:|---:|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in measure_rows(found)]
        lines.append("")
    for kind in count_findings(found):
        lines += [f"## {kind}", "", "| file | what was found |", "|---|---|"]
        lines += [f"| {_plain(one.file)} | {_plain(one.detail)} |" for one in found.findings if one.kind == kind]
        lines.append("")
    return "\n".join(lines)


def make_html(found: Examination) -> str:
    """One page that needs no other file: thumbnails are inside."""
    title = html.escape(found.folder.resolve().name)
    parts = [f"<h1>{title}</h1>", f"<p>{html.escape(make_sentence(found))}</p>"]
    if found.findings:
        rows = [
            (f'<a href="#{kind}">{kind}</a>', str(count), *map(html.escape, KINDS[kind]))
            for kind, count in count_findings(found).items()
        ]
        parts.append(_table(("finding", "files", "what it means", "what to do"), rows, numbers={1}))
    if found.pictures:
        parts.append(_table(("measure", "1 %", "median", "99 %"), measure_rows(found), numbers={1, 2, 3}))
    for kind in count_findings(found):
        parts += _section(found, kind)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def measure_rows(found: Examination) -> list[tuple[str, ...]]:
    """Name and quantiles of each measure."""
    names = {
        "detail_db": "detail (dB, lower is more)",
        "structure_db": "structure (dB, lower is more)",
        "sharpness_db": "sharpness (dB, higher is more)",
        "noise_std_8bit": "noise (steps of 255)",
        "blockiness": "blockiness (1 is none)",
    }
    return [
        (name, *(f"{value:.2f}" for value in np.quantile(_values(found, key), _QUANTILES)))
        for key, name in names.items()
        if key in Measures.__dataclass_fields__
    ]


def _values(found: Examination, key: str) -> list[float]:
    return [getattr(one.measures, key) for one in found.pictures]


def _section(found: Examination, kind: Kind) -> list[str]:
    meaning, advice = KINDS[kind]
    findings = [finding for finding in found.findings if finding.kind == kind]
    shown, rest = findings[:SHOWN_PER_KIND], findings[SHOWN_PER_KIND:]
    heading = f"{html.escape(meaning)}. <span class='advice'>{html.escape(advice)}</span>"
    parts = [f'<h2 id="{kind}">{kind} ({len(findings)})</h2>', f"<p>{heading}</p>"]
    is_pair = any(finding.other is not None for finding in findings)
    heads = ("picture", "the other", "file", "what was found") if is_pair else ("picture", "file", "what was found")
    parts.append(_table(heads, [_row(found, one, is_pair=is_pair) for one in shown]))
    if rest:
        names = "".join(f"<li>{html.escape(one.file)}: {html.escape(one.detail)}</li>" for one in rest)
        parts.append(f"<details><summary>{len(rest)} more</summary><ul>{names}</ul></details>")
    return parts


def _row(found: Examination, finding: Finding, *, is_pair: bool) -> tuple[str, ...]:
    own = "" if finding.kind == "unreadable" else _thumbnail(found.folder / finding.file)
    other = () if not is_pair else ("" if finding.other is None else _thumbnail(finding.other),)
    return own, *other, html.escape(finding.file), html.escape(finding.detail)


def _thumbnail(path: Path) -> str:
    """A small copy inside the page; nothing if the file is gone."""
    try:
        pixels = read_photograph(path, None)
    except NlcunetError:
        return ""
    height, width = pixels.shape[:2]
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    image = pixels.permute(2, 0, 1).float()
    small = resize_bicubic(image, max(1, round(height * factor)), max(1, round(width * factor)))
    samples = small.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    data = base64.b64encode(encode_picture(Picture(pixels=samples), file_format="jpeg", quality=80)).decode()
    return f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{data}">'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], numbers: Iterable[int] = ()) -> str:
    """Cells are HTML already."""
    right = set(numbers)
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{' class=number' if n in right else ''}>{cell}</td>" for n, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}\n</table>"


def _plain(text: str) -> str:
    """Text that does not break a cell of Markdown."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _name_of(path: Path | None) -> str | None:
    return None if path is None else f"{path.parent.name}/{path.name}"
