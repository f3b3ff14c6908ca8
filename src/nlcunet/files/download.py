"""Files from the web that arrive whole and unchanged, or not at all: resumed, retried, from mirrors, checked."""

import http.client
import json
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlcunet.errors import DataError
from nlcunet.files.checksums import Digest, hash_file
from nlcunet.files.transport import (
    HttpAnswer,
    StartOverError,
    TryAgainError,
    WrongAddressError,
    meaning_of,
    open_url,
)

CHUNK_BYTES = 1 << 20
SPARE_BYTES = 64 << 20
"""Room on the disk that a download leaves free."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for servers, and how often."""

    silence_s: float = 30.0
    """Without a connection or a byte for so long, the attempt has failed."""
    slow_s: float = 60.0
    """Over this time at least ``slow_bytes`` must come, so that a trickle is not waited for."""
    slow_bytes: int = 60_000
    attempts: int = 6
    """Failures in a row without progress, per address."""
    first_wait_s: float = 1.0
    """Before the second attempt; doubled each time, with a random part."""
    longest_wait_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class DownloadListener:
    """Whoever wants to know how it goes."""

    say: Callable[[str], None] = lambda _: None
    """A sentence on something that happened."""
    move: Callable[[str, int, int | None], None] = lambda *_: None
    """Name of a file, bytes there, bytes in all if known."""


@dataclass(frozen=True, kw_only=True)
class WantedFile:
    """A file to download."""

    name: str
    urls: tuple[str, ...]
    """All give the same bytes; tried in this order."""
    size_bytes: int | None = None
    digest: Digest | None = None


def download(
    wanted: WantedFile,
    target: Path,
    *,
    patience: Patience | None = None,
    listener: DownloadListener | None = None,
    proxies: Mapping[str, str] | None = None,
) -> int:
    """Have a file at ``target``, of the right length and checksum.

    While it comes, it is ``target`` with ``.part`` behind; a later call goes on from there. A file that lies at
    ``target`` already, perhaps put there by hand, is checked and taken.

    Returns:
        How many bytes came over the network.

    Raises:
        DataError: No address gave the file; it was not the right one; or the disk has no room. What came complete but
            wrong is kept as ``target`` with ``.refused`` behind.
    """
    patience, listener = patience or Patience(), listener or DownloadListener()
    if target.exists():
        if (problem := _problem_with(target, wanted)) is None:
            return 0
        raise DataError(f"{target} {problem}; remove it and run the command again")
    target.parent.mkdir(parents=True, exist_ok=True)
    fetcher = _Fetcher(wanted, target, patience, listener, proxies)
    problems = []
    for url in wanted.urls:
        try:
            fetcher.fetch(url)
        except (TryAgainError, WrongAddressError) as error:
            problems.append(str(error))
            listener.say(str(error))
        except OSError as error:
            raise DataError(
                f"{target} must be a file that can be written: {error.strerror or error}; free some space, check the "
                "permissions, or choose another folder with --output"
            ) from error
        else:
            return fetcher.received
    raise DataError(
        f"{wanted.name} must come from one of {len(wanted.urls)} addresses: got {'; '.join(problems)}. Check the "
        "network and the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) and run the command again, it goes on where it "
        f"stopped; or put the file at {target} yourself"
    )


class _Fetcher:
    """One file on its way; knows what is there already and where it came from."""

    def __init__(
        self,
        wanted: WantedFile,
        target: Path,
        patience: Patience,
        listener: DownloadListener,
        proxies: Mapping[str, str] | None,
    ) -> None:
        self._wanted, self._target = wanted, target
        self._patience, self._listener, self._proxies = patience, listener, proxies
        self._part = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        self._is_pieced = True
        self.received = 0

    def fetch(self, url: str) -> None:
        """Get the file from one address, with as many attempts as bring it forward."""
        failures, most = 0, self._bytes_there()
        while True:
            try:
                self._attempt(url)
                self._accept(url)
            except TryAgainError as error:
                if isinstance(error, StartOverError):
                    self._forget()
                forward = self._bytes_there() > most
                most = max(most, self._bytes_there())
                failures = 1 if forward else failures + 1
                if failures >= self._patience.attempts:
                    raise
                self._wait(error, failures)
            else:
                return

    def _wait(self, error: TryAgainError, failures: int) -> None:
        """Pause before the next attempt: as long as the server asked for, or twice as long as the last time."""
        doubled = self._patience.first_wait_s * 2.0 ** (failures - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - only to spread retries
        wait_s = min(error.wait_s if error.wait_s is not None else doubled, self._patience.longest_wait_s)
        self._listener.say(f"{error}; again in {wait_s:.0f} s")
        time.sleep(wait_s)

    def _attempt(self, url: str) -> None:
        """One request, appended to what is there if server and file allow."""
        if self._is_complete():
            return
        start, validator = self._resume_point(url)
        answer = open_url(
            url, start=start, validator=validator, silence_s=self._patience.silence_s, proxies=self._proxies
        )
        self._is_pieced = answer.start > 0
        with answer.body:
            if answer.start and validator and answer.validator and answer.validator != validator:
                raise StartOverError(f"{url}: the file has changed meanwhile")
            expected = self._expected_bytes(url, answer)
            self._check_room(expected, answer.start)
            notes = {"url": url, "validator": answer.validator, "bytes": expected}
            self._notes.write_text(json.dumps(notes), encoding="utf-8")
            self._receive(url, answer, expected)

    def _resume_point(self, url: str) -> tuple[int, str | None]:
        """Where to go on, and the version to ask for: of another address or unknown version only with a checksum."""
        notes, there = self._read_notes(), self._bytes_there()
        validator = notes.get("validator") if notes.get("url") == url else None
        if there and (validator is not None or self._wanted.digest is not None):
            return there, str(validator) if validator is not None else None
        return 0, None

    def _expected_bytes(self, url: str, answer: HttpAnswer) -> int | None:
        """Length of the whole file, on which catalogue and server must agree."""
        known, told = self._wanted.size_bytes, answer.total_bytes
        if known is not None and told is not None and known != told:
            raise WrongAddressError(f"{url}: has {told:,} bytes, not the {known:,} of {self._wanted.name}")
        return known if known is not None else told

    def _check_room(self, expected: int | None, there: int) -> None:
        """Refuse before the disk is full."""
        check_room(self._part.parent, (expected or 0) - there, self._wanted.name)

    def _receive(self, url: str, answer: HttpAnswer, expected: int | None) -> None:
        position = answer.start
        with self._part.open("r+b" if position else "wb") as file:
            file.seek(position)
            file.truncate()
            window_start, window_bytes = time.monotonic(), 0
            while chunk := _read_chunk(url, answer.body):
                position += len(chunk)
                if expected is not None and position > expected:
                    raise WrongAddressError(f"{url}: sends more than the {expected:,} bytes of {self._wanted.name}")
                file.write(chunk)
                self.received += len(chunk)
                self._listener.move(self._wanted.name, position, expected)
                window_bytes += len(chunk)
                if (now := time.monotonic()) - window_start >= self._patience.slow_s:
                    if window_bytes < self._patience.slow_bytes:
                        raise TryAgainError(f"{url}: only {window_bytes:,} bytes in {now - window_start:.0f} s")
                    window_start, window_bytes = now, 0
        if expected is not None and position < expected:
            raise TryAgainError(f"{url}: broke off after {position:,} of {expected:,} bytes")

    def _accept(self, url: str) -> None:
        """Give a complete file its name, or refuse it."""
        problem = _problem_with(self._part, self._wanted)
        if problem is None:
            self._part.replace(self._target)
            self._notes.unlink(missing_ok=True)
            return
        if self._is_pieced:  # perhaps the pieces were of different versions
            raise StartOverError(
                f"{url}: {self._wanted.name} {problem}; it came in pieces, so once more from the start"
            )
        refused = self._target.with_name(f"{self._target.name}.refused")
        self._part.replace(refused)
        self._notes.unlink(missing_ok=True)
        raise WrongAddressError(f"{url}: {self._wanted.name} {problem}; it is not used, and kept as {refused}")

    def _is_complete(self) -> bool:
        """Whether all bytes are there from an earlier run that could not end."""
        expected = self._wanted.size_bytes or self._read_notes().get("bytes")
        return bool(expected) and self._bytes_there() == expected

    def _bytes_there(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _read_notes(self) -> dict[str, object]:
        """Where the part came from; nothing if that is not known."""
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def check_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse what the disk has no room for.

    Raises:
        DataError: Less is free than needed and some to spare.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes + SPARE_BYTES > free:
        raise DataError(
            f"the disk of {folder} must have {(needed_bytes + SPARE_BYTES) / 1e9:,.2f} GB free for {what}: it has "
            f"{free / 1e9:,.2f} GB; free some space, or choose a folder on another disk with --output"
        )


def _read_chunk(url: str, body: http.client.HTTPResponse) -> bytes:
    """What has come so far, at least a byte; nothing at the end."""
    try:
        return body.read1(CHUNK_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise meaning_of(url, error) from error


def _problem_with(path: Path, wanted: WantedFile) -> str | None:
    size = path.stat().st_size
    if wanted.size_bytes is not None and size != wanted.size_bytes:
        return f"must have {wanted.size_bytes:,} bytes: got {size:,}"
    if wanted.digest is None:
        return None if size else "must not be empty"
    got = hash_file(path, wanted.digest.algorithm)
    if not got.startswith(wanted.digest.value):
        return f"must have the {wanted.digest.algorithm.upper()} {wanted.digest.value}: got {got}"
    return None


def urls_at(bases: Sequence[str], path: str) -> tuple[str, ...]:
    """The addresses of one path at several mirrors, each once."""
    return tuple(dict.fromkeys(f"{base.rstrip('/')}/{path}" for base in bases))
