"""Debian packages without installing them, on any system; apt, where there is one, finds what the archive has moved.

A package is known by its name in the archive's pool and its SHA-256. It is looked for at the mirror that this machine's
own apt uses, at deb.debian.org, and at snapshot.debian.org, which keeps everything. Where none of them has it any more,
apt is asked what the suites hold now: with its own configuration of proxies, keys and access, but with sources, lists
and caches in a private folder, so that the system is left as it is. No root is needed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlcunet.errors import DataError
from nlcunet.files.checksums import Digest
from nlcunet.files.download import DownloadListener, Patience, WantedFile, download, urls_at

MIRROR = "http://deb.debian.org/debian"
SNAPSHOT = "https://snapshot.debian.org/file"
"""Files by their SHA-1 (https://snapshot.debian.org/mr.html)."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("sid", "bookworm", "bullseye")
"""Where to look for other versions, in this order."""
_APT_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Package:
    """One version of a package, as the signed index of its suite described it on 2026-11-24."""

    name: str
    suite: str
    pool_path: str
    size_bytes: int
    sha256: str
    sha1: str

    @property
    def file(self) -> str:
        """Name of the package file."""
        return self.pool_path.rsplit("/", 1)[-1]


def packages_at_hand(
    package: Package, folder: Path, *, patience: Patience, listener: DownloadListener
) -> Iterator[tuple[Path, int]]:
    """The package, and after it other versions that the suites hold now, each as a file and bytes received.

    Raises:
        DataError: Nothing at all can be had, with the reasons.
    """
    problems = []
    try:
        yield fetch_package(package, folder, patience=patience, listener=listener)
    except DataError as error:
        problems.append(str(error))
        listener.say(str(error))
    if not has_apt():
        problems.append(
            "other versions need apt: got a system without apt-get; use Debian or a system made from it, or put "
            f"{package.file} into {folder} yourself"
        )
    for suite in SUITES if has_apt() else ():
        try:
            root = make_apt_root(folder / f"apt-{suite}", suite)
            if (deb := download_with_apt(root, package, folder)) is not None:
                yield deb, deb.stat().st_size
        except DataError as error:
            problems.append(str(error))
            listener.say(str(error))
    if problems:
        raise DataError("; ".join(problems))


def fetch_package(
    package: Package, folder: Path, *, patience: Patience, listener: DownloadListener
) -> tuple[Path, int]:
    """Exactly this version, from the first mirror that has it."""
    wanted = WantedFile(
        name=package.file,
        urls=(*urls_at([*own_mirrors(), MIRROR], package.pool_path), f"{SNAPSHOT}/{package.sha1}"),
        size_bytes=package.size_bytes,
        digest=Digest(algorithm="sha256", value=package.sha256, origin=f"index of Debian {package.suite}"),
    )
    path = folder / package.file
    return path, download(wanted, path, patience=patience, listener=listener, proxies=own_proxies())


def has_apt() -> bool:
    """Whether this system has apt."""
    return shutil.which("apt-get") is not None


def own_mirrors() -> tuple[str, ...]:
    """Debian mirrors in this machine's own sources, in whatever form they are written; apt itself reads them."""
    if not has_apt():
        return ()
    told = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)"])
    return tuple(dict.fromkeys(uri.rstrip("/") for uri in told.split() if re.fullmatch(r"https?://.*/debian/?", uri)))


def own_proxies() -> dict[str, str] | None:
    """Proxies that apt is told to use; ``None``, which means those of the environment, if it is told of none."""
    if not has_apt():
        return None
    told = _run(["apt-config", "dump", "Acquire::http::Proxy", "Acquire::https::Proxy"])
    found = re.findall(r'^Acquire::(https?)::Proxy "(https?://[^"]+)";$', told, re.MULTILINE)
    return dict(found) or None


@dataclass(frozen=True, kw_only=True)
class AptRoot:
    """A private place for apt that knows one suite."""

    folder: Path
    suite: str

    def apt_get(self, *arguments: str, in_folder: Path | None = None) -> str:
        """What ``apt-get`` prints, with this root."""
        return _run(["apt-get", "-q", "-c", str(self.folder / "apt.conf"), *arguments], in_folder)


def make_apt_root(folder: Path, suite: str) -> AptRoot:
    """Make the place and load the index of the suite.

    Everything but places and sources stays as the machine's own apt has it. Commands that the system hooks to updates
    are left out: they are meant for the system's own lists.
    """
    folder = folder.resolve()
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    mirror = next(iter(own_mirrors()), MIRROR)
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (folder / "sources.list").write_text(f"deb {signed}{mirror} {suite} main\n", encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "none",
        "Dir::Etc::preferences": folder / "none",
        "Dir::Etc::preferencesparts": folder / "none",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
    }
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    lines = [f'{key} "{value}";' for key, value in settings.items()] + [f"#clear {hook};" for hook in hooks]
    (folder / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    root = AptRoot(folder=folder, suite=suite)
    root.apt_get("-o", "APT::Update::Error-Mode=any", "update")
    return root


def download_with_apt(root: AptRoot, package: Package, folder: Path) -> Path | None:
    """The suite's version of a package as a file, checked by apt; ``None`` if it is the known one or there is none."""
    try:
        told = root.apt_get("--print-uris", "download", package.name)
    except DataError:
        return None
    found = re.search(r"^'\S+' (\S+) \d+ SHA256:([0-9a-f]{64})", told, re.MULTILINE)
    if found is None or found[2] == package.sha256:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    root.apt_get("download", package.name, in_folder=folder)
    return folder / found[1]


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """Output of a program."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and names from our own table
            command, cwd=folder, capture_output=True, text=True, timeout=_APT_SECONDS, check=False, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(
            f"{command[0]} must run: got {error}; install apt, or put the packages there yourself"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [f"exit code {done.returncode}"]
        raise DataError(f"{' '.join([command[0], *command[-2:]])} must work: got {' '.join(said)}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
