"""What systems cost: columns of the tables, and axes of the plots."""

from collections.abc import Callable
from dataclasses import dataclass

from nlcunet.evaluation.records import SystemFacts
from nlcunet.evaluation.report.contents import SetResults


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One kind of cost."""

    head: str
    unit: str
    value: Callable[[SystemFacts], float | None]
    """Of a system; nothing where it was not measured."""
    depends_on_size: bool = True
    """Whether it was measured at a certain size of the input."""


COSTS = (
    Cost(
        head="parameters",
        unit="million",
        value=lambda one: None if one.parameters is None else one.parameters / 1e6,
        depends_on_size=False,
    ),
    Cost(head="operations", unit="GFLOP", value=lambda one: one.gflop),
    Cost(head="time", unit="s", value=lambda one: one.seconds),
    Cost(head="memory", unit="MiB", value=lambda one: one.peak_mib),
)


def known_costs(results: SetResults) -> list[Cost]:
    """Those that were measured for any system of a set."""
    return [cost for cost in COSTS if any(cost.value(one) is not None for one in results.systems)]


def common_size(results: SetResults) -> int | None:
    """The side of the input at which all costs were measured, if it is one and the same."""
    sizes = {one.cost_size_px for one in results.systems if one.cost_size_px is not None}
    return sizes.pop() if len(sizes) == 1 else None


def cost_note(results: SetResults) -> str:
    """At what size and on what costs were measured, and a warning where they cannot be compared."""
    timed = [one for one in results.systems if one.seconds is not None]
    machines = list(dict.fromkeys(one.machine or "a machine that is not named" for one in timed))
    sizes = {one.cost_size_px for one in timed}
    size = common_size(results)
    at = "" if size is None else f"Costs are of one input of {size}×{size} pixels. "
    if not timed:
        return at.strip()
    note = f"{at}Times were measured on {machines[0]}."
    if len(machines) > 1:
        named = "; ".join(f"{one.name}: {one.machine or 'not named'}" for one in timed)
        note = f"{at}Times were measured on different machines, and must not be compared: {named}."
    if len(sizes) > 1:
        note += " Costs were measured at inputs of different sizes, named below them."
    return note
