"""What can be asked of a page."""

from dataclasses import dataclass

from nlcunet.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a page is made."""

    title: str = ""
    """Above it; by default the names of the sets."""
    baseline: str | None = None
    """What others are compared with; by default bicubic, or the first system of a set."""
    places: int = 4
    crop_px: int = 64
    """Side of a place, in pixels of the original."""
    max_bytes: int = 8_000_000
    """How large the page may become by its pictures."""

    def __post_init__(self) -> None:
        """Refuse what lies outside its range (ConfigError)."""
        if self.places < 0 or not 16 <= self.crop_px <= 512 or self.max_bytes < 0:
            raise ConfigError(
                "a report must show at least 0 places of 16 to 512 pixels in at least 0 bytes: "
                f"got {self.places}, {self.crop_px} and {self.max_bytes}"
            )
