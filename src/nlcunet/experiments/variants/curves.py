"""How a training went: quality over steps and over time, one line of JSON for each validation."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nlcunet.errors import DataError
from nlcunet.files.atomic import write_file_atomically

CURVE_FILE = "curve.jsonl"


@dataclass(frozen=True, kw_only=True)
class ValidationPoint:
    """One validation."""

    step: int
    """Optimiser steps before it."""
    patches: int
    """Patches seen before it."""
    seconds: float
    """Time spent on training before it: of the processor, or on a GPU by the clock; without validations."""
    psnr_y: float
    """Validation PSNR of the averaged weights on Y, dB."""


@dataclass
class Curve:
    """The points of one run, as they come; those after the step that a run goes on from are forgotten."""

    folder: Path
    """That of the run."""
    points: list[ValidationPoint] = field(default_factory=list)

    def add(self, point: ValidationPoint) -> None:
        """Add a point, and keep all on disk."""
        self.points = [*(one for one in self.points if one.step < point.step), point]
        lines = "".join(json.dumps(asdict(one)) + "\n" for one in self.points)
        write_file_atomically(self.folder / CURVE_FILE, lines.encode())

    def seconds_at(self, step: int) -> float:
        """Time spent up to a step; zero before the first point."""
        return max((one.seconds for one in self.points if one.step <= step), default=0.0)


def read_curve(folder: Path) -> Curve:
    """The curve of a run; without points where it has not begun.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / CURVE_FILE
    if not path.is_file():
        return Curve(folder)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return Curve(folder, [ValidationPoint(**json.loads(line)) for line in lines])
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} must hold a point of a curve in each line: {error}; remove it and run again"
        ) from error
