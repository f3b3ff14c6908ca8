"""API keys: random, kept only as hashes, compared in constant time."""

import hashlib
import hmac
import json
import secrets
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.files.atomic import set_permissions, write_file_atomically

PREFIX = "nlc_"
"""So that scanners for leaked secrets can know them."""


def make_key() -> str:
    """A new key: 256 random bits, so that a plain hash of it cannot be guessed back."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys of a server by their names.

    Args:
        path: a JSON file of names and hashes, as ``add_key`` writes it.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._hashes = read_hashes(path)
        if not self._hashes:
            raise ConfigError(f"{path} must hold a key: make one with nlcunet serve --keys {path} --add-key NAME")

    def owner(self, key: str) -> str | None:
        """The name of this key; nothing if it is none. All are compared, so that time tells nothing."""
        hashed, found = hash_key(key), None
        for name, known in self._hashes.items():
            if hmac.compare_digest(hashed, known):
                found = name
        return found


def read_hashes(path: Path) -> dict[str, str]:
    """Names and hashes.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} must be a file of keys: {error}; make one with --add-key NAME") from error
    if not isinstance(values, dict) or not all(isinstance(each, str) and len(each) == 64 for each in values.values()):
        raise ConfigError(f"{path} must hold names and SHA-256 hashes of keys; make a new one with --add-key NAME")
    return values


def add_key(path: Path, name: str) -> str:
    """Add a key to a file, and give it: the only time that it can be seen.

    Raises:
        ConfigError: the name is taken, or the file is no file of keys.
    """
    hashes = read_hashes(path) if path.exists() else {}
    if not name or name in hashes:
        raise ConfigError(f"a key must have a new name: got {name!r}; known: {', '.join(hashes) or 'none'}")
    key = make_key()
    text = json.dumps(hashes | {name: hash_key(key)}, indent=2)
    write_file_atomically(path, text.encode())
    set_permissions(path, 0o600)
    return key
