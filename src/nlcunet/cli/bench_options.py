"""Options that several ``nlcunet bench`` commands read in the same way."""

from nlcunet.errors import ConfigError


def read_sigmas(text: str) -> tuple[float, ...]:
    """Numbers between commas.

    Raises:
        ConfigError: If one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"sigmas must be numbers between commas, as 1.8,2.6,3.2: got {text!r}") from error


def read_names(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
