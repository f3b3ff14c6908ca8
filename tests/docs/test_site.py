"""The documentation as a site: it builds without a warning, is complete, and asks no other host for anything."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

import nlcunet

from .pages import ROOT

FETCHING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
FETCHED_LINKS = {"stylesheet", "preload", "preconnect", "prefetch", "icon", "manifest", "modulepreload", "dns-prefetch"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetches(HTMLParser):
    """What a browser fetches to show a page, and where its links lead."""

    def __init__(self, page):
        super().__init__()
        self.fetched, self.links = [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in FETCHING and FETCHING[tag] in values:
            self.fetched.append(values[FETCHING[tag]])
        if tag == "link" and FETCHED_LINKS & set(values.get("rel", "").split()):
            self.fetched.append(values["href"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.fetched += re.findall(r"url\(([^)]+)\)", values.get("style") or "")


def test_the_site_builds_and_fetches_nothing_from_other_hosts(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        for address in Fetches(page).fetched:
            assert not re.match(r"(https?:)?//", address), (page, address)
            if page.name != "404.html" and not address.startswith("data:"):
                assert (page.parent / address.split("?")[0].split("#")[0]).exists(), (page, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_links_that_leave_the_documentation_lead_somewhere(site):
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html":
            continue
        for address in Fetches(page).links:
            target = address.split("#")[0].split("?")[0]
            if target and not re.match(r"[a-z]+:|//", target):
                assert (page.parent / target).exists(), (page, address)
    assert "Keep a Changelog" in (site / "repository" / "CHANGELOG.html").read_text(encoding="utf-8")


def test_the_reference_describes_all_public_names(site):
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    for name, home in nlcunet.HOMES.items():
        assert f'id="{home}.{name}"' in text, name


def test_links_are_rewritten_and_code_is_not():
    spec = importlib.util.spec_from_file_location("links", ROOT / "docs" / "making" / "links.py")
    links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(links)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="api/index.md"))
    said = {
        "[a](../../CHANGELOG.md#added)": "[a](../repository/CHANGELOG.md#added)",
        "[b](../files.md#limits)": "[b](../files.md#limits)",
        "[c](../../tests/conftest.py)": "[c](../repository/tests/conftest.py.md)",
        "[d](https://arxiv.org/abs/2307.12014)": "[d](https://arxiv.org/abs/2307.12014)",
        "`[e](../../CHANGELOG.md)`": "`[e](../../CHANGELOG.md)`",
        "```\n[f](../../CHANGELOG.md)\n```": "```\n[f](../../CHANGELOG.md)\n```",
        "![g](../../examples/anhinga.png)": "![g](../repository/examples/anhinga.png)",
        "[h](../../examples)": "[h](../repository/examples.md)",
    }
    for before, after in said.items():
        assert links.on_page_markdown(before, page) == after
    home = SimpleNamespace(file=SimpleNamespace(src_uri="repository/CHANGELOG.md"))
    assert links.on_page_markdown("[i](docs/files.md)", home) == "[i](../files.md)"
    assert "- `demo.py`" in links.shown(Path("examples"))
    assert "install_import_hook" in links.shown(Path("tests/conftest.py"))


def test_every_page_of_the_documentation_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    pages = {page for page in pages if not page.startswith("experiments/")}  # a table links to each: test_tables.py
    named = set(re.findall(r"[\w/-]+\.md", navigation)) - {"repository/CHANGELOG.md"}
    assert pages == named


def test_the_figure_of_the_architecture_is_what_the_program_draws():
    script = ROOT / "docs" / "making" / "architecture.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_that_pages_name_are_there():
    """Paths in code spans of pages for contributors; a file that moved is found here."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/]+\.(?:py|toml|yml))`", text) if "mine" not in name}
    assert len(named) > 15
    for name in named:
        assert any((ROOT / base / name).is_file() for base in ("", "src/nlcunet")), name


def test_no_page_has_words_that_stand_for_something_to_come():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        found = re.findall(r"\b(?:TODO|TBD|FIXME|XXX|[A-Z]+TABLE|lorem ipsum)\b", page.read_text(encoding="utf-8"))
        assert not found, (Path(page).name, found)


def test_tests_that_pages_name_are_there():
    named = {}
    for page in (ROOT / "docs").glob("*.md"):
        folder = None
        for name in re.findall(r"`(tests/[\w/]+(?:\.py)?|test_\w+\.py)`", page.read_text(encoding="utf-8")):
            if name.endswith("_mine.py"):
                continue  # yours, in the guide to adding things
            path = ROOT / name if name.startswith("tests/") else folder / name
            folder = path.parent
            named[path] = page.name
    assert len(named) > 20
    assert {path: page for path, page in named.items() if not path.exists()} == {}
