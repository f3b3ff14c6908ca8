"""Addresses on the Hugging Face Hub: ``hf://user/name``, ``hf://user/name@v1``, ``hf://user/name/other.safetensors``."""

import re
from dataclasses import dataclass

from nlcunet.errors import ConfigError

SCHEME = "hf://"
WEIGHTS_FILE = "model.safetensors"
"""What a repository's weights are called unless the address says otherwise; the hub's own custom."""

_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ADDRESS = re.compile(rf"(?P<repo>{_WORD}/{_WORD})(?:@(?P<revision>[^/]+))?(?:/(?P<file>.+))?")


@dataclass(frozen=True)
class HubAddress:
    """Where weights lie on the hub."""

    repo: str
    """``user/name``."""
    revision: str | None = None
    """Branch, tag or commit; nothing means the main branch."""
    file: str = WEIGHTS_FILE
    """Path inside the repository."""

    def __str__(self) -> str:
        """As it is typed."""
        revision = "" if self.revision is None else f"@{self.revision.replace('/', '%2F')}"
        return f"{SCHEME}{self.repo}{revision}" + ("" if self.file == WEIGHTS_FILE else f"/{self.file}")


def parse_address(text: str) -> HubAddress:
    """The address that is meant by ``hf://user/name[@revision][/file.safetensors]``, with or without ``hf://``.

    A slash in a revision (``refs/pr/1``) is written ``%2F``, as in the hub's own addresses.

    Raises:
        ConfigError: it is no such address, or names a file that is no safetensors file.
    """
    match = _ADDRESS.fullmatch(text.removeprefix(SCHEME).removesuffix("/"))
    if match is None:
        raise ConfigError(
            f"an address on the hub must be {SCHEME}user/name, with @revision and /file.safetensors if needed: "
            f"got {text!r}"
        )
    revision, file = match["revision"], match["file"] or WEIGHTS_FILE
    if not file.endswith(".safetensors"):
        raise ConfigError(
            f"weights on the hub must be a .safetensors file: got {file!r}; pickles (.bin, .pt, .pth) can run code and "
            "are never loaded"
        )
    return HubAddress(match["repo"], None if revision is None else revision.replace("%2F", "/"), file)
