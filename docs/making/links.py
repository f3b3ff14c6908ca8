"""Links that leave ``docs/``: on the repository's host they lead to the file, on the site to a page or a copy of it.

mkdocs calls ``on_files`` and ``on_page_markdown`` (``hooks`` in mkdocs.yml). Markdown outside ``docs/`` becomes a page
as it is, other text a page that shows it, a folder a list, and everything else is copied. Nothing is fetched.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
ALWAYS = ("CHANGELOG.md",)
"""Pages of the site's own navigation that lie outside ``docs/``."""

LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".sh": "bash",
    "": "text",
}
CODE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)[ ]*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?P<after>\))")


def rewrite(markdown: str, change: Callable[[re.Match[str]], str]) -> str:
    """Changes the links of a page, and leaves code alone."""
    parts, end = [], 0
    for code in CODE.finditer(markdown):
        parts += [LINK.sub(change, markdown[end : code.start()]), code.group()]
        end = code.end()
    return "".join([*parts, LINK.sub(change, markdown[end:])])


def targets(markdown: str, home: Path) -> Iterator[Path]:
    """What the relative links of a page lead to, as paths inside the repository."""
    found: list[str] = []
    rewrite(markdown, lambda link: found.append(link["target"]) or link.group())
    for target in found:
        path = Path(os.path.normpath(home / target))
        if path.is_relative_to(ROOT):
            yield path.relative_to(ROOT)


def site_name(path: Path) -> str:
    """Where a file of the repository is found on the site, as the name of its source."""
    if path.parts[:1] == ("docs",):
        return path.relative_to("docs").as_posix()
    whole = ROOT / path
    if path.suffix == ".md":
        return f"repository/{path.as_posix()}"
    if whole.is_dir() or path.suffix in LANGUAGES:
        return f"repository/{path.as_posix()}.md"
    return f"repository/{path.as_posix()}"


def shown(path: Path) -> str:
    """The page that stands for a file or folder outside ``docs/``."""
    whole = ROOT / path
    if path.suffix == ".md":
        return whole.read_text(encoding="utf-8")
    if whole.is_dir():
        names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in whole.iterdir())
        listed = "\n".join(f"- `{name}`" for name in names if not name.startswith((".", "__pycache__")))
        return f"# {path.as_posix()}/\n\n{listed}\n"
    fence = "`" * 6
    text = whole.read_text(encoding="utf-8")
    return f"# {path.as_posix()}\n\n{fence}{LANGUAGES[path.suffix]}\n{text}\n{fence}\n"


def on_files(files: Any, config: Any) -> Any:
    """Adds what pages link to outside ``docs/``, and what that links to."""
    waiting = [(Path(name), "mkdocs.yml") for name in ALWAYS]
    for file in files.documentation_pages():
        home = Path(file.abs_src_path)
        waiting += [(path, file.src_uri) for path in targets(home.read_text(encoding="utf-8"), home.parent)]
    done = set()
    while waiting:
        path, page = waiting.pop()
        if path in done or path.parts[:1] == ("docs",):
            continue
        done.add(path)
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{page} links to {path}, which is not there")
        name = site_name(path)
        if not name.endswith(".md"):
            files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
            continue
        text = shown(path)
        files.append(File.generated(config, name, content=text))
        waiting += [(one, str(path)) for one in targets(text, (ROOT / path).parent)]
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links between the repository's files into links between the site's pages."""
    name = page.file.src_uri
    home = ROOT / name.removeprefix("repository/") if name.startswith("repository/") else ROOT / "docs" / name
    here = Path(name).parent

    def change(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(home.parent / link["target"]))
        if not path.is_relative_to(ROOT):
            return link.group()
        target = os.path.relpath(site_name(path.relative_to(ROOT)), here)
        return f"{link['before']}{Path(target).as_posix()}{link['anchor'] or ''}{link['after']}"

    return rewrite(markdown, change)
