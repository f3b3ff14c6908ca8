"""A server under load on loopback: pictures per second, how long a client waits, and whether memory grows.

Run: ``python benchmarks/serve.py [--model NAME] [--requests 1000] [--clients 4] [--side 64]``. Each client sends its
next picture when it has the last result. Memory is that of the server's process after every quarter of the requests.
How long such a picture takes without a server is measured in the same run.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import nlcunet
from machine import describe_machine
from nlcunet.imaging.files import Metadata, Picture, encode_picture


def picture(side: int, seed: int) -> bytes:
    """A picture of noise, as PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encode_picture(Picture(pixels=pixels, metadata=Metadata()), file_format="png")


class Server:
    """``nlcunet serve`` as a program of its own."""

    def __init__(self, options: argparse.Namespace, folder: str) -> None:
        command = [sys.executable, "-m", "nlcunet", "serve", "--no-page", "--port", "0", "--folder", folder]
        command += ["-m", options.model, "--jobs-at-once", str(options.jobs_at_once), "--keep-hours", "0.02"]
        self.log = Path(folder) / "log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stderr=log)
        while "startup complete" not in self.log.read_text(encoding="utf-8"):
            time.sleep(0.05)
        self.place = self.log.read_text(encoding="utf-8").split()[0].removeprefix("http://")

    def resident_mib(self) -> float:
        """Memory of the process now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the system does not tell")


class Load:
    """Clients that send pictures until all are sent."""

    def __init__(self, server: Server, options: argparse.Namespace) -> None:
        self.server, self.options = server, options
        self.pictures = [picture(options.side, seed) for seed in range(8)]
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.memory: list[float] = []
        self.guard = threading.Lock()
        self.next = iter(range(options.requests))

    def run(self) -> float:
        """Send all; the time it took."""
        clients = [threading.Thread(target=self.send) for _ in range(self.options.clients)]
        start = time.perf_counter()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return time.perf_counter() - start

    def send(self) -> None:
        """What one client does."""
        connection = http.client.HTTPConnection(self.server.place, timeout=300)
        quarter = max(1, self.options.requests // 4)
        while (number := self._take()) is not None:
            start = time.perf_counter()
            connection.request("POST", "/v1/upscale?wait=300", self.pictures[number % 8])
            answer = connection.getresponse()
            answer.read()
            with self.guard:
                self.seconds.append(time.perf_counter() - start)
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
                if len(self.seconds) % quarter == 0:
                    self.memory.append(self.server.resident_mib())
        connection.close()

    def _take(self) -> int | None:
        with self.guard:
            return next(self.next, None)


def seconds_alone(options: argparse.Namespace) -> float:
    """Median time of one picture from bytes to bytes in this process, as the command line does it."""
    upscaler, times = nlcunet.load(options.model), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(picture(options.side, 0))
        for _ in range(8):
            start = time.perf_counter()
            encode_picture(upscaler.upscale(path), file_format="png")
            times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="4x-NLCUnet-S")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--jobs-at-once", type=int, default=2)
    options = parser.parse_args()
    alone = seconds_alone(options)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options, folder)
        try:
            Load(server, argparse.Namespace(**vars(options) | {"requests": 20})).run()  # warm up
            load = Load(server, options)
            total = load.run()
        finally:
            server.process.terminate()
            server.process.wait(60)
    print(describe_machine(), "\n")
    heads = ("model", "LR", "clients", "pictures/s", "without a server", "p50 s", "p99 s", "statuses", "MiB by quarter")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    median, slow = np.percentile(load.seconds, [50, 99])
    statuses = ", ".join(f"{count:,}× {status}" for status, count in sorted(load.statuses.items()))
    memory = ", ".join(f"{each:.0f}" for each in load.memory)
    print(
        f"| {options.model} | {options.side}² | {options.clients} | {options.requests / total:.1f} | {1 / alone:.1f} "
        f"| {median:.3f} | {slow:.3f} | {statuses} | {memory} |"
    )


if __name__ == "__main__":
    main()
