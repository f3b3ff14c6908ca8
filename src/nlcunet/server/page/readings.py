"""What a picture has been through before it came, as far as can be told from it, in words for the page."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nlcunet.inspection.choice import describe
from nlcunet.inspection.reading import Reading, read
from nlcunet.server.service import Service
from nlcunet.server.store import Job


class Trait(BaseModel):
    """One line under the picture; ``Found``, in plain words, stands above it."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: str


TRAITS = TypeAdapter(tuple[Trait, ...])


def find_traits(service: Service, job: Job) -> tuple[Trait, ...]:
    """What is told of a job's picture; measured when it is first asked for.

    Raises:
        RefusedError: the picture is not there.
        ImageError: it cannot be read.
    """
    source, max_pixels = service.picture(job), service.settings.max_pixels

    def make(part: Path) -> None:
        part.write_bytes(TRAITS.dump_json(traits_of(read(source, max_pixels=max_pixels), job.model)))

    return TRAITS.validate_json(service.aside(job, "reading.json", make).read_bytes())


def traits_of(reading: Reading, model: str | None) -> tuple[Trait, ...]:
    """A reading in words.

    Args:
        reading: of the picture before.
        model: that enlarged it; warnings of a reading that are about another one are left out.
    """
    is_wide = any(fit.blur == "above" for fit in reading.models if fit.name == model)
    found = describe(reading.traces, is_wide=is_wide)
    traits = [("Found", found), ("Blur", _blur(reading)), ("Noise", _noise(reading)), ("JPEG", _jpeg(reading))]
    advice = reading.advice
    if advice is not None and advice.model == model:
        traits += [("Note", warning) for warning in advice.warnings]
    return tuple(Trait(name=name, value=value) for name, value in traits)


def _blur(reading: Reading) -> str:
    blur = reading.blur
    if blur is None:
        return "unknown: too few clear edges"
    if blur.angle_deg is None:
        return f"σ {blur.sigma_px:.1f} px"
    return f"σ {blur.major_sigma_px:.1f} px at {blur.angle_deg:.0f}°, {blur.minor_sigma_px:.1f} px across"


def _noise(reading: Reading) -> str:
    noise = reading.noise_std_8bit
    return "unknown: too few suitable places" if noise is None else f"σ {noise:.1f} of 255"


def _jpeg(reading: Reading) -> str:
    jpeg = reading.jpeg
    return "no trace" if jpeg is None else f"quality {jpeg.quality}"
