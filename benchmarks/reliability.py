"""Damaged files and sudden ends, by chance: whether anything crashes, is half written, or is lost.

Run: ``python benchmarks/reliability.py [files] [server] [batch] [training]``; all four without a name. Prints one
table; the exit code is 1 if any number is not 0. What each part does:

- ``files``: pictures of five formats, damaged in one of eight ways each, through ``nlcunet upscale`` and through REST.
- ``server``: ``nlcunet serve`` gets pictures and is killed (``SIGKILL``) at a random moment, again and again.
- ``batch``: ``nlcunet upscale`` on a folder, killed likewise; plain results and pyramids, which are taken up.
- ``training``: ``nlcunet train``, killed likewise and resumed; held against a run that nothing disturbed.

A *crash* is a program that ends by a signal or with a traceback, an answer 5xx, or a failure that the program calls
unexpected. *Half* is a file under a final name that is not whole, or not the one that an undisturbed run makes. *Lost*
is a picture without a record, an accepted job without an end, a run that cannot be taken up.
"""

import argparse
import http.client
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from machine import describe_machine
from nlcunet.errors import NlcunetError
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture

FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "avif": ".avif"}
PATIENCE_S = 300.0
"""After which a program that should have ended counts as crashed."""
ENDED = 128 + signal.SIGTERM
"""How programs of ours end that were asked to."""
UNFORESEEN = ("Traceback (most recent call last)", "please report it")
PROGRAM = (sys.executable, "-m", "nlcunet")


@dataclass
class Result:
    """What became of one part."""

    tried: int = 0
    crashes: int = 0
    half: int = 0
    lost: int = 0
    seen: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return (self.crashes, self.half, self.lost) == (0, 0, 0)


def main() -> None:
    """Run the parts that are asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="files, server, batch, training; by default all")
    parser.add_argument("--files", type=int, default=1000, help="damaged files for each of the two doors")
    parser.add_argument("--server-kills", type=int, default=15)
    parser.add_argument("--batch-kills", type=int, default=20)
    parser.add_argument("--training-kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the damage and of the moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - nothing is to be kept secret
    parts: dict[str, Callable[[Path], Iterator[tuple[str, Result]]]] = {
        "files": lambda folder: try_files(folder, options.files, chance),
        "server": lambda folder: try_server(folder, options.server_kills, chance),
        "batch": lambda folder: try_batch(folder, options.batch_kills, chance),
        "training": lambda folder: try_training(folder, options.training_kills, chance),
    }
    if unknown := set(options.parts) - set(parts):
        parser.error(f"parts are {', '.join(parts)}: got {', '.join(sorted(unknown))}")
    print(describe_machine())
    print("\n| what | tried | crashes | half files | lost | seen |\n|---|---:|---:|---:|---:|---|")
    is_good = True
    for name, part in parts.items():
        if options.parts and name not in options.parts:
            continue
        with tempfile.TemporaryDirectory(prefix="nlcunet-reliability-") as folder:
            for what, result in part(Path(folder)):
                is_good &= result.is_good
                counts = f"{result.tried:,} | {result.crashes} | {result.half} | {result.lost}"
                print(f"| {what} | {counts} | {result.seen} |", flush=True)
    sys.exit(not is_good)


# Damaged files


def sources() -> dict[str, list[bytes]]:
    """Whole files of each format: grey, colour, with alpha, of 8 and 16 bits, with metadata."""
    found: dict[str, list[bytes]] = {}
    for seed, file_format in enumerate(FORMATS):
        made = []
        generator = np.random.default_rng(seed)
        for channels, has_alpha, dtype in (
            (3, False, "uint8"),
            (1, False, "uint8"),
            (3, True, "uint8"),
            (3, True, "uint16"),
        ):
            full = np.iinfo(dtype).max
            coarse = generator.integers(0, full, (5, 6, channels + has_alpha)).repeat(8, 0).repeat(8, 1)
            noisy = coarse * 0.9 + generator.integers(0, full // 10, coarse.shape)
            samples = noisy.astype(dtype)
            metadata = Metadata(
                xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>", dots_per_inch=(300.0, 300.0)
            )
            alpha = samples[:, :, -1] if has_alpha and file_format != "jpeg" else None
            picture = Picture(pixels=samples[:, :, :channels], alpha=alpha, metadata=metadata)
            made.append(encode_picture(picture, file_format=file_format))
        found[file_format] = made
    return found


def damage(data: bytes, chance: random.Random) -> bytes:
    """A file with something wrong with it."""
    changed, size = bytearray(data), len(data)
    place = chance.randrange(size)
    way = chance.randrange(8)
    if way == 0:  # single bits
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif way == 1:  # bytes of the header
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(min(size, 200))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    elif way == 2:  # it ends early
        del changed[place:]
    elif way == 3:  # a hole
        changed[place : place + chance.randint(1, 400)] = b""
    elif way == 4:  # zeros
        length = min(chance.randint(1, 400), size - place)
        changed[place : place + length] = bytes(length)
    elif way == 5:  # a piece twice
        piece = changed[place : place + chance.randint(1, 400)]
        changed[place:place] = piece
    elif way == 6:  # numbers of four bytes that promise too much
        start = chance.randrange(max(1, min(size, 400) - 4))
        changed[start : start + 4] = chance.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0" * 4))
    else:  # noise behind it, or in it
        changed[place:place] = chance.randbytes(chance.randint(1, 200))
    return bytes(changed)


def try_files(folder: Path, count: int, chance: random.Random) -> Iterator[tuple[str, Result]]:
    """Damaged files through both doors."""
    whole, names = sources(), list(FORMATS)
    files = {}
    for number in range(count):
        file_format = names[number % len(names)]
        files[f"{number:05}{FORMATS[file_format]}"] = damage(chance.choice(whole[file_format]), chance)
    yield f"{count:,} damaged files, command line", files_through_command_line(folder, files)
    yield f"{count:,} damaged files, REST", files_through_rest(folder, files)


def files_through_command_line(folder: Path, files: dict[str, bytes]) -> Result:
    """A hundred at a time, so that a crash is found."""
    result, statuses = Result(tried=len(files)), Counter[str]()
    names = list(files)
    for start in range(0, len(names), 100):
        inputs, outputs = folder / f"in{start}", folder / f"out{start}"
        inputs.mkdir()
        for name in names[start : start + 100]:
            (inputs / name).write_bytes(files[name])
        command = [*PROGRAM, "upscale", str(inputs), "-o", str(outputs), "-m", "bicubic-x2", "--json", "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
        records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        statuses.update(record["status"] for record in records)
        is_told = done.returncode in {0, 1} and not any(word in done.stderr for word in UNFORESEEN)
        result.crashes += not is_told
        result.crashes += sum(UNFORESEEN[1] in (record["error"] or "") for record in records)
        result.lost += len({Path(record["input"]).name for record in records} ^ set(names[start : start + 100]))
        finished = {Path(record["output"]).name for record in records if record["status"] == "done"}
        result.half += count_half(outputs, finished)
    result.seen = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    return result


def count_half(folder: Path, finished: set[str]) -> int:
    """Files of a folder that are not whole or that nobody told of, and told ones that are not there."""
    there = (
        {path.name for path in folder.iterdir() if path.name != ".nlcunet-results.jsonl"} if folder.is_dir() else set()
    )
    return len(there ^ finished) + sum(not is_whole((folder / name).read_bytes()) for name in there & finished)


def is_whole(data: bytes) -> bool:
    """Whether a file can be decoded to its end."""
    try:
        read_picture(data)
    except NlcunetError:
        return False
    return True


class Server:
    """``nlcunet serve`` as a program of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        command = [*PROGRAM, "serve", "--no-page", "--port", "0", "--folder", str(folder), "--threads", "1", *flags]
        self.log = folder.with_suffix(f".{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while "startup complete" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self.said()[-2000:]}")
            time.sleep(0.05)
        self.place = self.said().split()[0].removeprefix("http://")

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8")

    def ask(self, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        """One request; its status and its answer."""
        connection = http.client.HTTPConnection(self.place, timeout=PATIENCE_S)
        try:
            connection.request(method, path, data)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def end(self, number: int) -> int:
        """Send it a signal; how it ended."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def files_through_rest(folder: Path, files: dict[str, bytes]) -> Result:
    """One after the other; the server must outlive them all."""
    result, statuses = Result(tried=len(files)), Counter[str]()
    server = Server(folder / "served", "-m", "bicubic-x2")
    for name, data in files.items():
        try:
            status, answer = server.ask("POST", f"/v1/upscale?name={name}&wait=300", data)
        except OSError:
            result.crashes += 1
            statuses["no answer"] += 1
            if server.process.poll() is not None:
                server = Server(folder / "served", "-m", "bicubic-x2")
            continue
        statuses[str(status)] += 1
        result.crashes += status >= 500 or (status >= 400 and UNFORESEEN[1].encode() in answer)
        result.half += status == 200 and not is_whole(answer)
        result.lost += status == 202
        if status >= 400:
            json.loads(answer)
    result.crashes += server.ask("GET", "/healthz")[0] != 200
    result.crashes += server.end(signal.SIGTERM) != ENDED or UNFORESEEN[0] in server.said()
    result.seen = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    return result


# Sudden ends


def make_picture(seed: int, side: int) -> bytes:
    """A picture of coarse noise, as PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side // 4, side // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    return encode_picture(Picture(pixels=pixels), file_format="png")


def try_server(folder: Path, kills: int, chance: random.Random) -> Iterator[tuple[str, Result]]:
    """Pictures are sent until the server is killed; at the end all that were accepted must be there."""
    result, served = Result(tried=kills), folder / "served"
    flags = ("-m", "bicubic-x4", "-m", "4x-NLCUnet-S", "--max-waiting", "10000", "--max-waiting-per-client", "10000")
    expected = {}
    for seed in range(6):
        model = "4x-NLCUnet-S" if seed < 2 else "bicubic-x4"
        source = folder / f"{seed}.png"
        source.write_bytes(make_picture(seed, 64))
        command = [
            *PROGRAM,
            "upscale",
            str(source),
            "-o",
            str(folder / f"{seed}_x4.png"),
            "-m",
            model,
            "--threads",
            "1",
        ]
        run_undisturbed(command)
        expected[seed] = (model, source.read_bytes(), (folder / f"{seed}_x4.png").read_bytes())
    accepted: dict[str, int] = {}
    for _ in range(kills):
        server = Server(served, *flags)
        end = time.monotonic() + chance.uniform(0.0, 3.0)
        while time.monotonic() < end:
            seed = chance.randrange(len(expected))
            model, data, _wanted = expected[seed]
            status, answer = server.ask("POST", f"/v1/upscale?name={seed}.png&model={model}&wait=0", data)
            result.crashes += status != 202
            if status == 202:
                accepted[json.loads(answer)["id"]] = seed
            time.sleep(chance.uniform(0.0, 0.2))
        server.end(signal.SIGKILL)
    server = Server(served, *flags)
    deadline = time.monotonic() + PATIENCE_S * 4
    for job, seed in accepted.items():
        state = "queued"
        while state in {"queued", "running"} and time.monotonic() < deadline:
            status, answer = server.ask("GET", f"/v1/jobs/{job}")
            state = json.loads(answer).get("state", f"answer {status}")
            if state in {"queued", "running"}:
                time.sleep(0.1)
        if state != "done":
            result.lost += 1
            continue
        _status, answer = server.ask("GET", f"/v1/jobs/{job}/result")
        result.half += answer != expected[seed][2]
    result.half += sum(1 for path in (served / "incoming").iterdir())
    result.crashes += server.end(signal.SIGTERM) != ENDED
    result.seen = f"{len(accepted)} jobs accepted"
    yield f"server killed {kills} times", result


def run_until(command: list[str], seconds: float | None) -> tuple[int | None, str]:
    """Run a program, kill it after so many seconds; its exit code, none if it was killed, and what it said."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=PATIENCE_S * 4 if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return None, process.communicate()[1]
        return process.returncode, said


def run_undisturbed(command: list[str]) -> None:
    """What all else is held against."""
    code, said = run_until(command, None)
    if code != 0:
        raise RuntimeError(f"{' '.join(command)} must end well: got {code}: {said[-2000:]}")


def try_batch(folder: Path, kills: int, chance: random.Random) -> Iterator[tuple[str, Result]]:
    """Two folders of the same pictures, half of the kills each: plain results, and pyramids from disk to disk."""
    inputs = folder / "in"
    inputs.mkdir()
    for seed in range(12):
        (inputs / f"{seed}.png").write_bytes(make_picture(seed, 96))
    for what, flags in (("plain", []), ("pyramids", ["--format", "tiff", "--pyramid", "-t", "32"])):
        result = Result(tried=kills // 2)
        base = [*PROGRAM, "upscale", str(inputs), "-m", "4x-NLCUnet-S", "--threads", "1", *flags]
        start = time.monotonic()
        run_undisturbed([*base, "-o", str(folder / f"{what}-whole")])
        whole_s = time.monotonic() - start
        expected = contents(folder / f"{what}-whole")
        outputs, ended = folder / what, 0
        for _ in range(kills // 2):
            code, said = run_until([*base, "-o", str(outputs)], chance.uniform(0.2, 1.0) * whole_s)
            if code is None:
                ended += 1
            else:
                result.crashes += code != 0 or any(word in said for word in UNFORESEEN)
                shutil.rmtree(outputs, ignore_errors=True)  # all was done: from the beginning again
            result.half += count_different(outputs, expected)
        code, said = run_until([*base, "-o", str(outputs)], None)
        result.crashes += code != 0 or any(word in said for word in UNFORESEEN)
        result.lost += len(expected.keys() - contents(outputs).keys())
        result.half += count_different(outputs, expected)
        left = [path.name for path in outputs.iterdir() if path.name.startswith(".nlcunet-") and path.is_dir()]
        result.half += len(left)
        result.seen = f"{ended} ended before all was done"
        yield f"batch killed {kills // 2} times, {what}", result


def contents(folder: Path) -> dict[str, bytes]:
    """The pictures under final names in a folder."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def count_different(folder: Path, expected: dict[str, bytes]) -> int:
    """Files under final names that are not what an undisturbed run makes."""
    return sum(data != expected.get(name) for name, data in contents(folder).items())


def try_training(folder: Path, kills: int, chance: random.Random) -> Iterator[tuple[str, Result]]:
    """A small training; its weights must be those of a run that nothing disturbed."""
    photographs = folder / "photographs"
    photographs.mkdir()
    for seed in range(6):
        (photographs / f"{seed}.png").write_bytes(make_picture(seed, 128))
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE | {"data": RECIPE["data"] | {"photographs": str(photographs)}}))
    result = Result(tried=kills)
    base = [*PROGRAM, "train", str(recipe), "--device", "cpu", "--threads", "1", "--run"]
    start = time.monotonic()
    run_undisturbed([*base, str(folder / "whole")])
    whole_s = time.monotonic() - start
    run, ended = folder / "killed", 0
    for _ in range(kills):
        resume = ["--resume"] if (run / "state.json").exists() else []
        code, said = run_until([*base, str(run), *resume], chance.uniform(0.2, 0.5) * whole_s)
        ended += code is None
        result.crashes += code not in {None, 0} or UNFORESEEN[0] in said
        if code is None and not (run / "state.json").exists():
            shutil.rmtree(run, ignore_errors=True)  # nothing was saved yet, so there is nothing to lose
    code, said = run_until([*base, str(run), *(["--resume"] if (run / "state.json").exists() else [])], None)
    result.lost += code != 0
    weights = f"{RECIPE['name']}.safetensors"
    whole, taken_up = (load_file(path / weights) for path in (folder / "whole", run))
    result.half += sum(not torch.equal(tensor, taken_up[name]) for name, tensor in whole.items())
    result.seen = f"{ended} ended before all was done"
    yield f"training killed {kills} times", result


RECIPE = {
    "name": "2x-Small",
    "scale": 2,
    "seed": 3,
    "network": {"size": "NLCUnet-S", "overrides": {"width": 8, "depths": [1, 0, 1, 0, 1, 0], "chunk_size": 16}},
    "data": {"patch_px": 16, "central_px": 96},
    "optim": {"steps": 500, "batch": 2, "lr": 2e-3, "warmup_steps": 2, "clip_norm": 1.0},
    "validation": {"every_steps": 20, "pictures": 1, "crop_px": 64},
}


if __name__ == "__main__":
    main()
