"""Who waits for the end of which job."""

import threading
from collections import defaultdict
from collections.abc import Callable

Callback = Callable[[], None]


class Watchers:
    """Calls back once for each job; may be used from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._by_job: defaultdict[str, list[Callback]] = defaultdict(list)

    def add(self, job_id: str, callback: Callback) -> None:
        """Remember a callback."""
        with self._guard:
            self._by_job[job_id].append(callback)

    def call(self, job_id: str) -> None:
        """The job has ended."""
        with self._guard:
            callbacks = self._by_job.pop(job_id, [])
        for callback in callbacks:
            callback()

    def call_all(self) -> None:
        """Nobody shall wait any longer."""
        with self._guard:
            job_ids = list(self._by_job)
        for job_id in job_ids:
            self.call(job_id)
