"""Standard error as commands use it: sentences for people, and bars where it is a terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def open_screen(*, is_quiet: bool = False) -> Console:
    """Standard error, with text as it is: no colours for numbers, no markup, no line breaks."""
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, quiet=is_quiet)


def open_bars(screen: Console, *columns: ProgressColumn) -> Progress:
    """Bars that are gone when they are done; none where standard error is no terminal."""
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def open_counting_bars(screen: Console) -> Progress:
    """Bars with how many of how many are done, and the time that is left."""
    return open_bars(screen, TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
