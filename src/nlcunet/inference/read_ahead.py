"""Reading the next items while the one at hand is worked on."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Place = TypeVar("Place")
Item = TypeVar("Item")


def read_ahead(read: Callable[[Place], Item], places: Iterable[Place], ahead: int) -> Iterator[tuple[Item, float]]:
    """What ``read`` gives for each place, in order, with the seconds that its taker waited for it.

    Args:
        read: called in one other thread, in order; what it raises is raised where the item is taken.
        places: what to read.
        ahead: how many items are read before they are asked for; 0 reads in the same thread when asked.
    """
    if ahead == 0:
        for place in places:
            start = time.perf_counter()
            item = read(place)
            yield item, time.perf_counter() - start
        return
    remaining = iter(places)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        waiting: deque[Future[Item]] = deque(thread.submit(read, place) for place in islice(remaining, ahead))
        try:
            while waiting:
                start = time.perf_counter()
                item = waiting.popleft().result()
                seconds = time.perf_counter() - start
                waiting.extend(thread.submit(read, place) for place in islice(remaining, 1))
                yield item, seconds
        finally:
            for future in waiting:
                future.cancel()
