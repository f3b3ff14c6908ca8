"""Who began what, and what came of it: the memory of a batch, which outlives its workers."""

from collections import Counter


class Ledger:
    """An actor of the cluster, asked before every picture and told after it.

    Ray gives a picture to another worker when one is lost, and may do so although it was finished: then the worker is
    told so here and does nothing.
    """

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()
        self._outcomes: dict[int, str] = {}

    def begin(self, number: int) -> tuple[int, str | None]:
        """How often a picture has been begun, this time included, and its outcome if it has one."""
        if number not in self._outcomes:
            self._begun[number] += 1
        return self._begun[number], self._outcomes.get(number)

    def end(self, number: int, outcome: str) -> str:
        """Keep the outcome of a picture; the first one counts, and is given back."""
        return self._outcomes.setdefault(number, outcome)
