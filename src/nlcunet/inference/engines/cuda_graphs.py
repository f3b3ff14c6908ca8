"""A network on a GPU as one launch, with copies beside it: CUDA graphs, one for each size of tile.

A network of small layers keeps a GPU waiting for the host: hundreds of kernels, each shorter than its launch. All tiles
of a picture have one size, so the kernels are recorded once and replayed for every further tile. Source: PyTorch's
documentation, "CUDA graphs", https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.runtime import is_out_of_memory

MOST_GRAPHS = 4
"""Sizes and precisions kept at once; each keeps the memory of its tile."""

WARM_UP_RUNS = 2
"""Before recording, so that libraries have chosen their kernels and Triton has compiled its own."""

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    batch: Tensor
    result: Tensor

    def replay(self, batch: Tensor) -> Tensor:
        self.batch.copy_(batch, non_blocking=True)
        self.graph.replay()
        return self.result


class GraphCache:
    """Recorded runs of one network; the first tile of a size is computed as it comes, the second is recorded."""

    def __init__(self) -> None:
        self.recordings: OrderedDict[tuple[tuple[int, ...], str], _Recording | None] = OrderedDict()

    def run(
        self, forward: Forward, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """The network over a batch on the GPU.

        Returns:
            What ``forward`` gives; valid until the next run.
        """
        key = (tuple(batch.shape), precision)
        if key not in self.recordings:
            self._remember(key, None)
            return forward(batch)
        recording = self.recordings[key]
        if recording is None:
            recording = self._record(forward, batch)
            if recording is None:
                return forward(batch)
        self._remember(key, recording)
        return recording.replay(batch)

    def addresses(self) -> set[int]:
        """Where recorded results lie."""
        return {recording.result.data_ptr() for recording in self.recordings.values() if recording is not None}

    def clear(self) -> None:
        """Let all recordings and their memory go."""
        self.recordings.clear()

    def _remember(self, key: tuple[tuple[int, ...], str], recording: _Recording | None) -> None:
        self.recordings[key] = recording
        self.recordings.move_to_end(key)
        while len(self.recordings) > MOST_GRAPHS:
            self.recordings.popitem(last=False)

    def _record(self, forward: Forward, batch: Tensor) -> _Recording | None:
        """Record a run; nothing where the network does something that cannot be recorded."""
        own = batch.clone(memory_format=torch.preserve_format)
        stream = torch.cuda.Stream(batch.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(batch.device))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_RUNS):
                    forward(own)
            torch.cuda.current_stream(batch.device).wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = forward(own)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self.clear()  # their memory may be what is missing
                raise
            return None
        return _Recording(graph, own, result)


class CudaLane:
    """Runs batches that several threads bring one after the other, while results of earlier ones are copied back."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.graphs = GraphCache()
        self._turn = Lock()
        self._compute = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(
        self, forward: Forward, batch: Float[Tensor, "batch 3 height width"], precision: str
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """The network over a batch; both in main memory. The thread waits for its own result only."""
        pinned = batch.pin_memory()
        with self._turn, torch.cuda.stream(self._compute):
            placed = pinned.to(self.device, non_blocking=True)
            result = self.graphs.run(forward, placed, precision).contiguous()
            if result.data_ptr() in self.graphs.addresses():
                result = result.clone()  # the next run of this size writes there
            is_computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
            is_computed.record()
        back = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        with torch.cuda.stream(self._copies):
            self._copies.wait_event(is_computed)
            back.copy_(result, non_blocking=True)
            result.record_stream(self._copies)
            is_copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            is_copied.record()
        is_copied.synchronize()
        return back
