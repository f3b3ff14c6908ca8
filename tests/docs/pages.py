"""What the pages tell readers to type: blocks of shell and Python, and the outputs shown below."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SHELL = {"sh", "bash", "console", "shell"}

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)``` *$", re.MULTILINE | re.DOTALL
)
SEPARATORS = {"&&", "||", ";", "|", "&"}
KEYWORDS = {"do", "then", "else", "time"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Line:
    """One command line, continued lines joined, and what the page shows as its output."""

    page: str
    line: int
    text: str
    shown: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """All fenced blocks of a page."""
    text = path.read_text(encoding="utf-8")
    page = path.relative_to(ROOT).as_posix()
    for fence in FENCE.finditer(text):
        indent = len(fence["indent"])
        body = "\n".join(line[indent:] for line in fence["text"].split("\n"))
        yield Block(page, text.count("\n", 0, fence.start()) + 1, fence["language"], body.rstrip("\n"))


def shell_lines(block: Block) -> list[Line]:
    """Command lines of a block; in a console they begin with a dollar sign, and outputs follow."""
    is_console = any(line.startswith("$ ") for line in block.text.split("\n"))
    found: list[Line] = []
    rows = iter(enumerate(block.text.split("\n"), block.line + 1))
    for number, row in rows:
        if is_console and not row.startswith("$ "):
            if found and row.strip() and not row.startswith("^C"):
                found[-1] = Line(found[-1].page, found[-1].line, found[-1].text, (*found[-1].shown, row))
            continue
        text = row.removeprefix("$ ") if is_console else row
        while text.endswith("\\"):
            text = f"{text[:-1].rstrip()} {next(rows)[1].strip()}"
        if text.strip() and not text.lstrip().startswith("#"):
            found.append(Line(block.page, number, without_comment(text.strip())))
    return found


def without_comment(text: str) -> str:
    """The line without what stands behind a ``#``; a quoted one stays."""
    quote = ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (place == 0 or text[place - 1].isspace()):
            return text[:place].rstrip()
    return text


def all_lines() -> list[Line]:
    """Command lines of all pages, in the order of reading."""
    return [line for path in PAGES for block in blocks(path) if block.language in SHELL for line in shell_lines(block)]


def simple_commands(text: str) -> list[list[str]]:
    """The words of each program that a command line calls, without redirections and assignments.

    ``for s in A B; do nlcunet x $s; done`` gives ``[["nlcunet", "x", "$s"]]``.
    """
    lexer = shlex.shlex(re.sub(r"(?<=\s)\d(?=>)", "", text), posix=True, punctuation_chars="|&;<>")
    vars(lexer).update(whitespace_split=True, commenters="")
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in SEPARATORS:
            found.append([])
        elif word and set(word) <= set("<>&"):
            next(words)  # where it is redirected to
        elif not (found[-1] == [] and (word in KEYWORDS or ASSIGNMENT.fullmatch(word))):
            found[-1].append(word)
    return [words for words in found if words and words[0] not in {"for", "done", "fi", "if"}]


def spans(path: Path) -> Iterator[tuple[str, str]]:
    """Commands inside sentences: place and text of each code span that begins with a program of ours."""
    text = path.read_text(encoding="utf-8")
    page = path.relative_to(ROOT).as_posix()
    without_blocks = FENCE.sub(lambda fence: "\n" * fence.group().count("\n"), text)
    for span in re.finditer(r"(?<!`)`([^`]+)`(?!`)", without_blocks):
        words = " ".join(span[1].split())
        if re.match(r"nlcunet [a-z]|[\w=]* ?python (benchmarks|examples|docs)/", words):
            yield f"{page}:{without_blocks.count(chr(10), 0, span.start()) + 1}", words
