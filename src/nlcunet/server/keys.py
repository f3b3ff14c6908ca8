"""API keys: random, kept only as hashes, compared in constant time; and passes, which browsers get for them."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.files.atomic import set_permissions, write_file_atomically

PREFIX = "nlc_"
"""So that scanners for leaked secrets can know them."""


PASS_SECONDS = 30 * 24 * 3600
"""How long a browser is known by its pass."""

SECRET_BYTES = 32


def make_key() -> str:
    """A new key: 256 random bits, so that a plain hash of it cannot be guessed back."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys of a server by their names, from a JSON file of names and hashes as ``add_key`` writes it.

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

    def hash_of(self, name: str) -> str | None:
        """What is kept of the key of this name, if there is one."""
        return self._hashes.get(name)


class Passes:
    """What a browser keeps instead of a key: whose it is and until when, signed by this server.

    A pass is good for the page alone, for ``PASS_SECONDS``, and as long as its key is. Nobody learns the key from it.
    """

    def __init__(self, keys: Keys, secret: bytes) -> None:
        self._keys, self._secret = keys, secret

    def exchange(self, key: str) -> str | None:
        """A pass for a key; nothing if it is none."""
        name = self._keys.owner(key)
        if name is None:
            return None
        what = f"{int(time.time()) + PASS_SECONDS}.{base64.urlsafe_b64encode(name.encode()).decode()}"
        return f"{what}.{self._sign(what, name)}"

    def owner(self, text: str) -> str | None:
        """The name of the key that a pass was given for; nothing if it is none, too old, or the key is gone."""
        what, _, signature = text.rpartition(".")
        until, _, coded = what.partition(".")
        try:
            name, last = base64.urlsafe_b64decode(coded).decode(), int(until)
        except (binascii.Error, ValueError):
            return None
        is_whole = hmac.compare_digest(self._sign(what, name).encode(), signature.encode("utf-8", "replace"))
        return name if is_whole and time.time() < last and self._keys.hash_of(name) is not None else None

    def _sign(self, what: str, name: str) -> str:
        text = f"{what}.{self._keys.hash_of(name)}"
        return hmac.digest(self._secret, text.encode(), "sha256").hex()


def read_secret(path: Path) -> bytes:
    """The secret of a server, which is made when it is first asked for.

    Raises:
        ConfigError: it can neither be read nor made.
    """
    try:
        with suppress(FileNotFoundError):
            secret = path.read_bytes()
            if len(secret) == SECRET_BYTES:
                return secret
            path.unlink()  # cut when it was written: browsers have to give their keys again
        secret = secrets.token_bytes(SECRET_BYTES)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(secret)
    except OSError as error:
        raise ConfigError(f"{path} must be a file that can be read and made: {error.strerror}") from error
    return secret


def read_hashes(path: Path) -> dict[str, str]:
    """Names and hashes."""
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
