"""Writes container/*.txt: what the container installs, with exact versions and checksums.

    python docs/making/container_locks.py

Versions are those of constraints.txt, which this environment has; what builds the package is the newest of its kind.
Checksums are those of all wheels on PyPI that the image can take, whatever its processor. PyTorch and its CUDA
libraries are not in it: they come from an index for each kind of device, and the container file names their version.
"""

import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHON = "3.12"
"""That of the image that the container file builds on."""

MACHINE = {
    **{name: str(value) for name, value in default_environment().items()},
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
EXTRAS = ("serve",)
LEFT_OUT = frozenset({"torch"})


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"]]
    wanted += [each for extra in EXTRAS for each in project["project"]["optional-dependencies"][extra]]
    write("requirements.txt", needed_by(wanted))
    write("requirements-build.txt", newest(project["build-system"]["requires"]))


def needed_by(wanted: Iterable[str]) -> dict[str, str]:
    """These packages of this environment and all that they need in the image."""
    found: dict[str, str] = {}
    waiting = [Requirement(text) for text in wanted]
    done = set()
    while waiting:
        each = waiting.pop()
        name, extras = canonicalize_name(each.name), ("", *each.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        package = distribution(name)
        if name not in LEFT_OUT:
            found[name] = package.version
        needs = (Requirement(text) for text in package.requires or ())
        waiting += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate(MACHINE | {"extra": extra}) for extra in extras)
        ]
    return found


def newest(wanted: Iterable[str]) -> dict[str, str]:
    """The newest of these packages, and what they need."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*command, *wanted], check=True, capture_output=True, text=True).stdout
    installs = json.loads(report)["install"]
    return {canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"] for each in installs}


def write(name: str, versions: dict[str, str]) -> None:
    """A file for ``pip install --require-hashes``."""
    lines = ["# Written by `python docs/making/container_locks.py`: what the container installs, and the checksums."]
    for package, version in sorted(versions.items()):
        hashes = [f"    --hash=sha256:{checksum}" for checksum in checksums(package, version)]
        lines.append(" \\\n".join([f"{package}=={version}", *hashes]))
    target = ROOT / "container" / name
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: {len(versions)} packages")  # noqa: T201


def checksums(package: str, version: str) -> list[str]:
    """Of all wheels of a version that the image can take; of its source where there are none."""
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    request = urllib.request.Request(f"https://pypi.org/simple/{package}/", headers=accept)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - PyPI
        files = {each["filename"]: each["hashes"]["sha256"] for each in json.load(answer)["files"]}
    stems = {f"{spelled}-{version}" for spelled in {re.split(r"-\d", name)[0] for name in files}}
    own = {name: checksum for name, checksum in files.items() if any(name.startswith(stem) for stem in stems)}
    wheels = [checksum for name, checksum in own.items() if name.endswith(".whl") and fits(name, version)]
    sources = [checksum for name, checksum in own.items() if name.endswith(f"-{version}.tar.gz")]
    if not wheels and not sources:
        raise SystemExit(f"{package} {version} has no file for the image")
    return sorted(wheels or sources)


def fits(wheel: str, version: str) -> bool:
    """Whether a wheel is of this version, for Linux with glibc, and for this Python."""
    _, found, *_, python, abi, platform = wheel.removesuffix(".whl").split("-")
    is_linux = platform == "any" or "manylinux" in platform
    is_python = "cp312" in python or "py3" in python or (abi == "abi3" and int(python.removeprefix("cp3")) <= 12)
    return found == version and is_linux and is_python


if __name__ == "__main__":
    main()
