"""The client library of the Hugging Face Hub: imported when it is needed, and its errors in our words.

Only this file knows its errors. The library is optional: the extra ``hub``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from nlcunet.errors import ConfigError, WeightsError, install_extra


def import_hub() -> ModuleType:
    """The client library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ConfigError(
            f"the Hugging Face Hub needs huggingface_hub: install it with {install_extra('hub')}"
        ) from error
    return huggingface_hub


@contextmanager
def hub_errors(repo: str, revision: str | None = None) -> Iterator[ModuleType]:
    """The client library; what it raises inside becomes a sentence of ours.

    Raises:
        ConfigError: the library is not installed, or the name cannot be one of a repository.
        WeightsError: the repository cannot be reached, read or written.
    """
    hub = import_hub()
    errors = hub.errors
    # All that goes wrong on the way, a broken connection too: the library has changed its HTTP client before, so that
    # the root of its errors is asked for and not named.
    on_the_way = (_root(errors.HfHubHTTPError), OSError)
    at = "" if revision is None else f" at {revision}"
    try:
        yield hub
    except errors.HFValidationError as error:
        raise ConfigError(f"a repository must be called user/name: got {repo!r} ({_first_line(error)})") from error
    except errors.GatedRepoError as error:
        raise WeightsError(
            f"{repo} asks for an agreement: accept it on its page, then log in with: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(
            f"the repository must be on the hub and open to you: found no {repo}; check the name, or log in with: "
            "hf auth login"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(f"the revision must be a branch, tag or commit of {repo}: got {revision!r}") from error
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{repo}{at} must be in the cache, because the hub is out of reach or not asked: it is not; load it once "
            "with a connection, without HF_HUB_OFFLINE and local_files_only"
        ) from error
    except on_the_way as error:
        raise WeightsError(f"the hub failed on {repo}{at}: {_first_line(error)}; try again later") from error


def _root(error: type[Exception]) -> type[Exception]:
    """The most general of the errors that an error is, below Python's own."""
    own = [each for each in error.__mro__ if issubclass(each, Exception) and each.__module__ != "builtins"]
    return own[-1]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
