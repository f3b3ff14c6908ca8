"""Where downloads, results and jobs are kept when nobody says where."""

import os
from pathlib import Path

from nlcunet.errors import ConfigError


def cache_folder(part: str = "") -> Path:
    """``$NLCUNET_CACHE``, else ``$XDG_CACHE_HOME/nlcunet``, else ``~/.cache/nlcunet``; or a folder in it.

    Raises:
        ConfigError: None of the three can be told.
    """
    if own := os.environ.get("NLCUNET_CACHE"):
        return _expanded(Path(own)) / part
    users = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(users) if Path(users).is_absolute() else _expanded(Path("~/.cache"))) / "nlcunet" / part


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(
            "there must be a folder for what is kept: this user has no home folder; set NLCUNET_CACHE to a folder"
        ) from error
