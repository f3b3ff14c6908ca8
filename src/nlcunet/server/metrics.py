"""What a server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "nlcunet_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "nlcunet_http_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=registry
        )
        self.refusals = Counter("nlcunet_refusals", "Requests refused, by reason.", ["code"], registry=registry)
        self.jobs = Counter("nlcunet_jobs", "Jobs that ended.", ["state"], registry=registry)
        self.accepted = Counter("nlcunet_jobs_accepted", "Jobs accepted.", registry=registry)
        self.waiting = Gauge("nlcunet_jobs_waiting", "Jobs that wait for their turn.", registry=registry)
        self.running = Gauge("nlcunet_jobs_running", "Jobs being worked on.", registry=registry)
        self.job_seconds = Histogram("nlcunet_job_seconds", "Work on a job.", buckets=SECONDS, registry=registry)
        self.pixels_in = Counter("nlcunet_pixels_in", "Pixels of pictures enlarged.", registry=registry)
        self.pixels_out = Counter("nlcunet_pixels_out", "Pixels of results.", registry=registry)
        self.tiles = Counter("nlcunet_tiles", "Tiles through networks.", registry=registry)
        self.batch_seconds = Histogram(
            "nlcunet_batch_seconds", "A network's run over one batch of tiles.", buckets=SECONDS, registry=registry
        )
        self.batch_tiles = Histogram(
            "nlcunet_batch_tiles", "Tiles in a batch.", buckets=(1, 2, 4, 8), registry=registry
        )
        self.disk_bytes = Gauge("nlcunet_disk_bytes", "Uploads and results on the disk.", registry=registry)
        self.disk_quota_bytes = Gauge("nlcunet_disk_quota_bytes", "What they may take.", registry=registry)

    def count_batch(self, tiles: int, seconds: float) -> None:
        """A network has run."""
        self.tiles.inc(tiles)
        self.batch_tiles.observe(tiles)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
