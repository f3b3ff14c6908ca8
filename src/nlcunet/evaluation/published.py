"""Numbers that others have published, to stand beside measured ones and never among them."""

import csv
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One method on one set."""

    method: str
    protocol: str
    """``gaussian8``, as its authors understand it."""
    scale: int
    set: str
    measures: dict[str, float]
    """By name of the measure."""
    parameters: int | None
    source: str


def read_published() -> tuple[PublishedResult, ...]:
    """All of them, from the table inside the package."""
    text = (resources.files("nlcunet.evaluation") / "published.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedResult(
            method=row["method"],
            protocol=row["protocol"],
            scale=int(row["scale"]),
            set=row["set"],
            measures={name: float(row[name]) for name in ("psnr_y", "ssim_y") if row[name]},
            parameters=int(row["parameters"]) if row["parameters"] else None,
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )
