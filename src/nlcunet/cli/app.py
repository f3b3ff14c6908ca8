"""``nlcunet``: the list of commands, and what every one of them does about errors and interrupts.

A command's module is imported when the command is called or asked for help. ``nlcunet --help`` imports none of them.

Exit codes: 0 done; 1 some items failed; 2 could not start; 130 interrupted (Ctrl-C); 143 terminated.
"""

import atexit
import codecs
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from nlcunet.errors import NlcunetError, did_you_mean, explain_out_of_memory, says_out_of_memory
from nlcunet.version import __version__

_HANDLER = "nlcunet-names"

# Threads of torch that wait for each other shall sleep, not spin: on a busy machine spinning makes everything several
# times slower, and on a free one it gains next to nothing (docs/performance.md). Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

EXIT_COULD_NOT_START = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


@dataclass(frozen=True)
class LazyCommand:
    """A command that is imported on demand.

    Attributes:
        module: where it lives.
        name: a function, or a ``typer.Typer`` with commands of its own.
        summary: its line in ``nlcunet --help``.
        needs_arguments: whether it explains itself where it is called without any.
    """

    module: str
    name: str
    summary: str
    needs_arguments: bool = False


COMMANDS: dict[str, LazyCommand] = {
    "upscale": LazyCommand("nlcunet.cli.upscale", "upscale", "Enlarge pictures."),
    "inspect": LazyCommand(
        "nlcunet.cli.inspect", "inspect", "Estimate blur, noise and JPEG quality; recommend a model."
    ),
    "models": LazyCommand("nlcunet.cli.models", "models", "List, describe and publish models."),
    "bench": LazyCommand("nlcunet.cli.bench", "bench_app", "Measure models on sharp originals."),
    "train": LazyCommand("nlcunet.cli.train", "train", "Train a network from a recipe."),
    "experiment": LazyCommand(
        "nlcunet.cli.experiment", "experiment_app", "Compare variants of a recipe: train them, measure them."
    ),
    "data": LazyCommand("nlcunet.cli.data", "data_app", "Fetch, check, pack and draw training pictures."),
    "export": LazyCommand(
        "nlcunet.cli.export", "export", "Write a model as ONNX, OpenVINO or torch.export.", needs_arguments=True
    ),
    "serve": LazyCommand("nlcunet.cli.serve", "serve", "Serve a web page and REST."),
    "study": LazyCommand("nlcunet.cli.study", "study_app", "Ask people which pictures they prefer."),
}
"""All commands, in the order of the help text."""


class TerminatedError(KeyboardInterrupt):
    """The system asked the program to end (SIGTERM); treated as an interrupt."""


def make_command(name: str) -> Any:
    """Import a command; a ``click`` command that typer has built from its signature."""
    entry = COMMANDS[name]
    target = getattr(import_module(entry.module), entry.name)
    if isinstance(target, typer.Typer):
        return _plain(target)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, no_args_is_help=entry.needs_arguments)(target)
    return _plain(app)


def _plain(app: typer.Typer) -> Any:
    app.rich_markup_mode = None
    for info in app.registered_commands:
        info.cls = GroupedCommand
    return get_command(app)


class GroupedCommand(TyperCommand):
    """A command whose help has its flags in groups, by what people do with them (``rich_help_panel``)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The groups in the order of their first flags."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


class CommandGroup(TyperGroup):
    """The commands of ``COMMANDS``, imported when called, under one rule for errors and interrupts."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as click calls it
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of this name, or nothing."""
        return make_command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, or an error that names the one that was meant."""
        if args[0] not in COMMANDS:
            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], tuple(COMMANDS))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The command list of the help text, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors that nlcunet raises on purpose become a line on stderr."""
        try:
            with _terminable():
                return super().invoke(ctx)
        except NlcunetError as error:
            typer.echo(f"nlcunet: {error}", err=True)
            raise typer.Exit(EXIT_COULD_NOT_START) from error
        except KeyboardInterrupt as error:
            terminated = isinstance(error, TerminatedError)
            typer.echo("nlcunet: terminated" if terminated else "nlcunet: interrupted", err=True)
            raise typer.Exit(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED) from error
        except BrokenPipeError as error:
            # nobody reads on; without this, Python would complain once more when it flushes at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except (MemoryError, RuntimeError, OSError, ImportError) as error:
            if not says_out_of_memory(error):
                raise
            typer.echo(f"nlcunet: {explain_out_of_memory(error)}", err=True)
            raise typer.Exit(EXIT_COULD_NOT_START) from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the program like Ctrl-C, so that no half file stays."""

    def terminate(_number: int, _frame: object) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> bool:
    if value:
        typer.echo(f"nlcunet {__version__}")
        raise typer.Exit
    return value


@app.callback()
def nlcunet(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Blind super-resolution of photographs with NLCUnet."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import PyTorch inside without looking for garbage: it makes 150,000 objects that all stay."""
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()  # nor look at them ever again
    finally:
        gc.enable()


def main() -> None:
    """Entry point of the ``nlcunet`` program."""
    atexit.register(gc.freeze)  # the interpreter, as it ends, would look through all of PyTorch for garbage
    take_any_text()
    app(prog_name="nlcunet")


def take_any_text() -> None:
    """Let standard output and error never fail on a character.

    Bytes of file names that are no text go out as they are; signs that the encoding does not have, as escapes.
    """
    codecs.register_error(_HANDLER, _as_bytes)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # what replaces a stream may not have it
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """The bytes in place of characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return b"".join(_byte_of(sign) or sign.encode("ascii", "backslashreplace") for sign in signs), error.end


def _byte_of(sign: str) -> bytes | None:
    """The byte that Python has kept of a file name as half of a character (PEP 383), if it is one."""
    return bytes([ord(sign) - 0xDC00]) if 0xDC80 <= ord(sign) <= 0xDCFF else None
