"""Reading the next items while the one at hand is worked on, and working on several at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from nlcunet.runtime import threads_of_workers

Address = TypeVar("Address")
Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Address], Item],
    places: Iterable[Address],
    ahead: int,
    on_wait: Callable[[float], None] = lambda _: None,
) -> Iterator[Item]:
    """What ``read`` gives for each place, in order.

    Args:
        read: called in one other thread, in order; what it raises is raised where the item is taken.
        places: what to read.
        ahead: how many items are read before they are asked for; 0 reads in the same thread when asked.
        on_wait: called with the seconds that an item was waited for, where it is read ahead.
    """
    if ahead == 0:
        yield from map(read, places)
        return
    remaining = iter(places)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        waiting: deque[Future[Item]] = deque(thread.submit(read, place) for place in islice(remaining, ahead))
        try:
            while waiting:
                start = time.perf_counter()
                item = waiting.popleft().result()
                on_wait(time.perf_counter() - start)
                waiting.extend(thread.submit(read, place) for place in islice(remaining, 1))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    at_once: int,
    threads_each: int = 1,
) -> Iterator[Result]:
    """What ``function`` gives for each item, in order, worked on in so many threads.

    Args:
        function: called for several items at a time; what it raises is raised where its result is taken.
        items: taken one by one, in the thread that takes the results, at most ``at_once`` ahead of them.
        at_once: threads; 1 works in the same thread when asked.
        threads_each: CPU threads of torch in every thread that is started.
    """
    if at_once == 1:
        yield from map(function, items)
        return
    remaining = iter(items)
    with (
        threads_of_workers(threads_each) as begin,
        ThreadPoolExecutor(at_once, thread_name_prefix="map-ahead", initializer=begin) as threads,
    ):
        waiting: deque[Future[Result]] = deque(threads.submit(function, item) for item in islice(remaining, at_once))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(threads.submit(function, item) for item in islice(remaining, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
