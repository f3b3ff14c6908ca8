"""Where a network's time goes: operations, bytes and seconds by part, and how far each is from the machine's limits.

Operations over the machine's matrix rate is what a part would take if nothing but products took time. Bytes are counted
as operations read and write them, so that what stays in a cache between two operations counts twice.
``python benchmarks/upscale.py --parts`` prints the tables.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nlcunet.evaluation.cost import count_operations
from nlcunet.models import attention, nlcunet, sorted_attention, strips
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.nlcunet import NLCUnet

PROJECTION, HASH, SORT, GATHER, SCORES, VALUES, COMBINE = (
    f"attention: {name}" for name in ("projection", "hash", "sort", "gather", "scores", "values", "combine")
)
BRANCH, FEED_FORWARD, RESOLUTION, UPSAMPLER, SKIP, REST = (
    "local branch, merge",
    "feed-forward",
    "down, up, fusion",
    "upsampler",
    "bicubic skip",
    "norms, sums, rest",
)
PARTS = (
    PROJECTION,
    HASH,
    SORT,
    GATHER,
    SCORES,
    VALUES,
    COMBINE,
    BRANCH,
    FEED_FORWARD,
    RESOLUTION,
    UPSAMPLER,
    SKIP,
    REST,
)
FUNCTIONS: tuple[tuple[Any, str, str], ...] = (
    (attention, "hash_tokens", HASH),
    (attention, "sort_into_chunks", SORT),
    (sorted_attention, "_gather", GATHER),
    (sorted_attention, "_score", SCORES),
    (sorted_attention, "_weigh", VALUES),
    (sorted_attention, "_combine", COMBINE),
    (strips, "_merge_branches", BRANCH),
    (strips, "_feed_forward", FEED_FORWARD),
    (nlcunet, "bicubic_skip", SKIP),
    (nlcunet, "upsample_in_strips", UPSAMPLER),
)
VIEWS = {
    *(
        "view",
        "_unsafe_view",
        "as_strided",
        "permute",
        "transpose",
        "slice",
        "select",
        "expand",
        "unsqueeze",
        "squeeze",
    ),
    *("t", "detach", "alias", "split", "split_with_sizes", "chunk", "unbind", "empty", "new_empty", "empty_like"),
}
"""Operations that move nothing."""


@dataclass
class Details:
    """What the parts of one network take."""

    seconds: dict[str, float]
    operations: dict[str, int]
    bytes: dict[str, int]
    rate: float = math.nan
    """The machine's matrix rate in that run, GFLOP/s."""
    bandwidth: float = math.nan
    """Bytes that a large copy reads and writes per second, GB/s."""
    seconds_all: float = math.nan
    """Of a run that nobody watches."""


class Clock:
    """Seconds by part; a part within another one stops the outer one's clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.open = [REST]
        self.since = time.perf_counter()

    def enter(self, part: str) -> None:
        """A part begins."""
        self._tick()
        self.open.append(part)

    def leave(self) -> None:
        """It ends."""
        self._tick()
        self.open.pop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds[self.open[-1]] += now - self.since
        self.since = now


class Counter(TorchDispatchMode):
    """Bytes that operations read and write, by the part that is open on a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.bytes = clock, defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, and do it."""
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ not in VIEWS:
            touched = [*args, *(kwargs or {}).values(), *(result if isinstance(result, (tuple, list)) else [result])]
            flat = [t for each in touched for t in (each if isinstance(each, (tuple, list)) else [each])]
            tensors = {id(t): t for t in flat if isinstance(t, Tensor)}
            self.bytes[self.clock.open[-1]] += sum(t.numel() * t.element_size() for t in tensors.values())
        return result


def modules_by_part(network: NLCUnet) -> dict[nn.Module, str]:
    """Modules that are a part as a whole."""
    parts: dict[nn.Module, str] = {}
    for name in ("head", "down1", "down2", "up1", "up2", "merge1", "fusion"):
        parts[getattr(network, name)] = RESOLUTION
    for module in network.modules():
        if isinstance(module, NonLocalAttention):
            parts |= {module.query: PROJECTION, module.value: PROJECTION}
    return parts


@contextmanager
def watched(network: NLCUnet, clock: Clock) -> Iterator[None]:
    """While it is open, the network's parts tell the clock when they begin and end."""

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any, **keywords: Any) -> Any:
            clock.enter(part)
            try:
                return function(*args, **keywords)
            finally:
                clock.leave()

        return run

    with ExitStack() as stack:
        for module, name, part in FUNCTIONS:
            stack.enter_context(patch.object(module, name, timed(getattr(module, name), part)))
        for module, part in modules_by_part(network).items():
            handles = (
                module.register_forward_pre_hook(lambda *_, part=part: clock.enter(part)),
                module.register_forward_hook(lambda *_: clock.leave()),
            )
            for handle in handles:
                stack.callback(handle.remove)
        yield


def seconds_by_part(network: NLCUnet, low_res: Tensor, repeats: int) -> dict[str, float]:
    """Seconds of the fastest of several runs, by part."""
    best: dict[str, float] = {}
    for _ in range(repeats):
        clock = Clock()
        with watched(network, clock):
            clock.since = time.perf_counter()
            network(low_res)
            clock.enter(REST)
        if sum(clock.seconds.values()) < sum(best.values() or [math.inf]):
            best = dict(clock.seconds)
    return best


def bytes_by_part(network: NLCUnet, low_res: Tensor) -> dict[str, int]:
    """Bytes that operations read and write, by part; what stays in a cache between two of them counts twice."""
    clock = Clock()
    counter = Counter(clock)
    with watched(network, clock), counter:
        network(low_res)
    return dict(counter.bytes)


def operations_by_part(network: NLCUnet, low_res: Tensor) -> dict[str, int]:
    """Operations by part; the local branch, which holds attention, has what is left."""
    totals: dict[str, int] = defaultdict(int)

    def counted(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any, **keywords: Any) -> Any:
            results: list[Any] = []
            totals[part] += count_operations(lambda: results.append(function(*args, **keywords)))
            return results[0]

        return run

    with ExitStack() as stack:
        for module, name, part in FUNCTIONS:
            if part != BRANCH:
                stack.enter_context(patch.object(module, name, counted(getattr(module, name), part)))
        for module, part in modules_by_part(network).items():
            stack.enter_context(patch.object(module, "forward", counted(module.forward, part)))
        network(low_res)
    totals[BRANCH] = count_operations(lambda: network(low_res)) - sum(totals.values())
    return dict(totals)
