"""Draws docs/images/architecture.svg: how pictures flow through the program, and the layers that imports point down.

The layers are those of import-linter in pyproject.toml, their words the first lines of the packages themselves; every
module that is named must be there.

    python docs/making/architecture.py            writes the figure
    python docs/making/architecture.py --check    says whether it is up to date
"""

import argparse
import ast
import re
import sys
import tomllib
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[2]
FIGURE = ROOT / "docs" / "images" / "architecture.svg"

FLOWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "To use",
        (
            "photo file",
            "imaging/files",
            "inference/upscaler",
            "inference/tiling",
            "models/nlcunet",
            "inference/tiling",
            "imaging/files",
            "photo file",
        ),
    ),
    (
        "To learn",
        (
            "sharp photos",
            "data/photographs",
            "data/crops",
            "degradations/pipeline",
            "data/loading",
            "models/nlcunet",
            "training/losses",
            "training/loop",
            "models/weights",
        ),
    ),
    (
        "To know",
        (
            "sharp photos",
            "evaluation/sets",
            "evaluation/systems",
            "metrics/psnr",
            "evaluation/records",
            "evaluation/table",
            "evaluation/report",
        ),
    ),
)
"""Words with a slash are modules, others are what stands at both ends."""

RULE = "Layers: each may import what stands below its own line, never what stands beside or above"
SEE = re.compile(r"[:;,] see docs/.*")
BOLD = 'font-weight="600"'
WIDTH, MARGIN, CHIP, GAP = 1100, 24, 92, 15
COLOURS = {  # light, dark
    "ground": ("#ffffff", "#1e2129"),
    "ink": ("#1f2430", "#e6e8ee"),
    "faint": ("#5c6474", "#a3abbd"),
    "line": ("#c3c9d6", "#4a5163"),
    "end": ("#f6e3d8", "#5a3a2a"),
    "module": ("#e3e9f4", "#2f3a52"),
    "layer": ("#f3f5f9", "#272c38"),
}


def layers() -> list[list[str]]:
    """Names of the packages and modules of each layer, top first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    stacked = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[name.removeprefix("nlcunet.") for name in layer.split(" | ")] for layer in stacked]


def summary(name: str) -> str:
    """The first line that a package or module says of itself."""
    home = ROOT / "src" / "nlcunet" / name
    path = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
    if not path.is_file():
        return ""  # a layer that is planned
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return SEE.sub("", said.partition("\n")[0]).rstrip(".")


def check_module(name: str) -> None:
    """Refuses a figure that names what is not there."""
    home = ROOT / "src" / "nlcunet" / name
    if not (home.is_dir() or home.with_suffix(".py").is_file()):
        sys.exit(f"the figure names {name}, which is not in src/nlcunet: change FLOWS in {Path(__file__).name}")


def text(x: float, y: float, words: str, *, size: float = 12, role: str = "ink", more: str = "") -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" class="{role}" {more}>{escape(words)}</text>'


def chip(x: float, y: float, words: str) -> list[str]:
    """A step of a flow: a module, or what stands at an end."""
    folder, _, module = words.rpartition("/")
    if folder:
        check_module(words)
    role, middle = ("module" if folder else "end"), x + CHIP / 2
    lines = [f'<rect x="{x:g}" y="{y:g}" width="{CHIP}" height="42" rx="6" class="{role}"/>']
    centred = 'text-anchor="middle"'
    if folder:
        lines.append(text(middle, y + 16, f"{folder}/", size=10.5, role="faint", more=centred))
    lines.append(text(middle, y + (32 if folder else 26), module, size=12.5, more=centred))
    return lines


def flow(y: float, title: str, steps: tuple[str, ...]) -> list[str]:
    """A row of steps with arrows between them."""
    lines = [text(MARGIN, y + 26, title, size=13, more=BOLD)]
    for number, words in enumerate(steps):
        x = MARGIN + 84 + number * (CHIP + GAP)
        lines += chip(x, y, words)
        if number:
            lines.append(f'<path d="M{x - GAP + 1:g} {y + 21:g} h{GAP - 4}" class="arrow" marker-end="url(#tip)"/>')
    return lines


def layer(y: float, names: list[str]) -> tuple[list[str], float]:
    """One layer, packages side by side, each with what it says of itself; and its height."""
    width = (WIDTH - 2 * MARGIN - 10 * (len(names) - 1)) / len(names)
    said = [wrap(summary(name), round((width - 24) / 6)) for name in names]
    height = 27 + 15 * max(map(len, said))
    lines = []
    for number, (name, words) in enumerate(zip(names, said, strict=True)):
        x = MARGIN + number * (width + 10)
        lines.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="layer"/>')
        lines.append(text(x + 12, y + 18, name, size=13, more=BOLD))
        lines += [text(x + 12, y + 34 + 15 * row, line, size=10.5, role="faint") for row, line in enumerate(words)]
    return lines, height


def style() -> str:
    """Colours for light and dark, as the reader's system has it."""

    def rules(shade: int) -> str:
        fills = {role: COLOURS[role][shade] for role in COLOURS}
        strokes = f".layer,.module,.end{{stroke:{fills['line']}}}.arrow{{stroke:{fills['faint']}}}"
        return "".join(f".{role}{{fill:{fill}}}" for role, fill in fills.items() if role != "line") + strokes

    fixed = "text{font-family:system-ui,sans-serif}.arrow{fill:none;stroke-width:1.4}"
    return f"<style>{fixed}{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}</style>"


def draw() -> str:
    """The whole figure."""
    lines: list[str] = []
    y = 22.0
    for title, steps in FLOWS:
        lines += flow(y, title, steps)
        y += 62
    y += 12
    lines.append(text(MARGIN, y, RULE, size=13, more=BOLD))
    y += 14
    for names in layers():
        drawn, taken = layer(y, names)
        lines += drawn
        y += taken + 8
    height = round(y + 12)
    size = f'width="{WIDTH}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {size} role="img">'
        "<title>How pictures flow through nlcunet, and its layers</title>"
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" class="faint"/></marker></defs>'
    )
    ground = f'<rect {size} rx="10" class="ground"/>'
    return "\n".join([head, style(), tip, ground, *lines, "</svg>"]) + "\n"


def main() -> None:
    """Write the figure, or compare it."""
    parser = argparse.ArgumentParser(description="Draw docs/images/architecture.svg.")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    drawn = draw()
    if parser.parse_args().check:
        if not FIGURE.is_file() or FIGURE.read_text(encoding="utf-8") != drawn:
            sys.exit(f"{FIGURE.relative_to(ROOT)} is not what {Path(__file__).name} draws: run it again")
        return
    FIGURE.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
