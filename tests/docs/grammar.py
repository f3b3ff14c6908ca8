"""Whether a command line can be right, without running it: each program's own parser is asked."""

import functools
import re
import tomllib
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from .pages import ROOT

PROGRAM_FILES = ("benchmarks/", "examples/", "docs/making/")


@functools.cache
def program() -> Any:
    from nlcunet.cli.app import app

    return get_command(app)


def parse_nlcunet(words: list[str]) -> str | None:
    """What nlcunet's own parser says against a command line; nothing where it takes it."""
    command, rest, context = program(), words[1:], None
    try:
        while True:
            context = command.make_context(command.name or "nlcunet", list(rest), parent=context)
            if not isinstance(command, TyperGroup) or not isinstance(context.command, TyperGroup):
                return None
            rest = [*context._protected_args, *context.args]
            _, command, rest = command.resolve_command(context, rest)
    except Exception as error:  # noqa: BLE001 - typer brings a click of its own, whose errors have no public home
        if type(error).__name__ == "Exit":  # --help, --version
            return None
        return error.format_message() if hasattr(error, "format_message") else repr(error)


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words behind."""
    command, rest = program(), words[1:]
    while isinstance(command, TyperGroup) and rest:
        found = command.get_command(None, rest[0])
        if found is None and "describe" in command.list_commands(None):  # nlcunet models NAME
            return command.get_command(None, "describe"), rest
        if found is None:
            return (command if rest[0].startswith("-") else None), rest
        command, rest = found, rest[1:]
    return command, rest


def flags_of(command: Any) -> set[str]:
    if isinstance(command, TyperGroup) and "describe" in command.list_commands(None):
        command = command.get_command(None, "describe")
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}


def unknown_flags(words: list[str]) -> set[str]:
    """Flags of a command in a sentence (which may lack arguments) that the command has not."""
    command, rest = command_of(words)
    if command is None:
        return {rest[0]}
    return {word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)} - flags_of(command)


def check_make(words: list[str]) -> str | None:
    """Targets of ``make`` are in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {word for word in words[1:] if "=" not in word}
    return None if asked <= targets else f"the Makefile has no {asked - targets}"


def check_pip(words: list[str]) -> str | None:
    """Extras that pip is asked for are in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name for word in words for found in re.findall(r"\[([\w,]+)\]", word) for name in found.split(",")}
    unknown = extras - set(project["optional-dependencies"])
    return f"there is no extra {unknown}" if unknown else None


def script_flags(words: list[str]) -> tuple[str, set[str]]:
    """The script of a ``python …`` line, and the flags that it is given."""
    script = next((word for word in words[1:] if word.startswith(PROGRAM_FILES)), "")
    return script, {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
