"""Options that several commands have alike, and what is made of their texts."""

from pathlib import Path
from typing import Annotated

import typer

from nlcunet.cli import completion
from nlcunet.errors import ConfigError

Device = Annotated[str, typer.Option(help="auto, cpu, gpu, cuda, cuda:1, mps.", autocompletion=completion.DEVICES)]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.")]
Scale = Annotated[int, typer.Option("-s", "--scale", help="2, 3 or 4.")]
Sigmas = Annotated[str, typer.Option(help="Use only these blurs of gaussian8, for example 1.8,2.6,3.2.")]
MeasuredModels = Annotated[
    list[str] | None,
    typer.Option("-m", "--model", help="Measure this model: name, file or NAME=FILE; by default all embedded ones."),
]
RecordsFiles = Annotated[list[Path], typer.Argument(help="Records from nlcunet bench run; several files are joined.")]


def read_sigmas(text: str) -> tuple[float, ...]:
    """Numbers between commas.

    Raises:
        ConfigError: If one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"sigmas must be numbers between commas, as 1.8,2.6,3.2: got {text!r}") from error


def read_names(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
