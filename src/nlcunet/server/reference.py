"""``/docs``: what REST takes and gives, as one page without scripts, made from the OpenAPI schema."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; background: light-dark(#f8f8f8, #161616);
  color: light-dark(#161616, #ededed); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.125rem; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0 .75rem; }
a { color: inherit; }
pre { padding: .75rem; border-radius: 6px; background: light-dark(#e7e7e7, #262626); white-space: pre-wrap; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
th, td { padding: .375rem .75rem .375rem 0; border-top: 1px solid light-dark(#d2d2d2, #383838);
  text-align: left; vertical-align: top; }
th { min-width: 6rem; font-weight: 600; }
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add_reference(app: FastAPI) -> None:
    """Add the page to an application that has all of REST."""

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def show_reference(request: Request) -> HTMLResponse:
        return HTMLResponse(render_reference(app.openapi(), str(request.base_url)), headers=HEADERS)


def render_reference(schema: Mapping[str, Any], address: str) -> str:
    """The page as HTML."""
    parts = [
        _operation(method, path, operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nlcunet: REST</title>
<style>{STYLE}</style>
</head>
<body>
<h1>nlcunet: REST</h1>
<p>Send a picture, get it back enlarged. Programs read the same as <a href="openapi.json">OpenAPI</a>.</p>
<pre>curl -f -F file=@photo.jpg -F scale=4 {escape(address)}v1/upscale -o photo_x4.jpg</pre>
{"".join(parts)}</body>
</html>
"""


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    fields = (
        (one["name"], _kind(one["schema"]), one.get("description", "")) for one in operation.get("parameters", ())
    )
    answers = ((status, "", one["description"]) for status, one in operation["responses"].items())
    paragraphs = [operation["summary"], *re.split(r"\n{2,}", operation.get("description", ""))]
    if "requestBody" in operation:
        paragraphs.append(operation["requestBody"]["description"])
    return (
        f"<section>\n<h2><code>{method.upper()} {escape(path)}</code></h2>\n"
        + "".join(f"<p>{_text(paragraph)}</p>\n" for paragraph in paragraphs if paragraph)
        + _table("Fields", fields)
        + _table("Answers", answers)
        + "</section>\n"
    )


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A table under a title; nothing where it would be empty."""
    lines = []
    for name, kind, about in rows:
        meaning = _text(about) + (f" ({kind})" if kind else "")
        lines.append(f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{meaning}</td></tr>\n')
    return f"<h3>{title}</h3>\n<table>\n{''.join(lines)}</table>\n" if lines else ""


def _kind(schema: Mapping[str, Any]) -> str:
    one = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if "enum" in one:
        return escape(", ".join(map(str, one["enum"])))
    low, high = one.get("minimum", one.get("exclusiveMinimum")), one.get("maximum")
    return escape(f"{one.get('type', '')} {low} to {high}" if None not in {low, high} else one.get("type", ""))


def _text(text: str) -> str:
    """Text of a docstring, with its code as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
