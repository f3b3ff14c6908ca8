"""A model in the place of people: of two pictures it chooses the one that an eye would find nearer to the original.

The difference of brightness is weighted by the eye's sensitivity to its spatial frequencies (Mannos and Sakrison, "The
effects of a visual fidelity criterion on the encoding of images", IEEE Transactions on Information Theory 20, 1974) and
its root mean square taken. It shows what a study may find before anybody has answered. It is no person: it never
guesses, does not tire, likes nothing, and takes a displaced hair for two errors.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from nlcunet.errors import DataError
from nlcunet.evaluation.originals import to_tensor
from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.design import Study
from nlcunet.experiments.study.folder import PICTURES
from nlcunet.experiments.study.sessions import draw_number
from nlcunet.imaging.colour import rgb_to_luma
from nlcunet.imaging.files import read_picture

NAME = "model observer"
PIXELS_PER_DEGREE = 20.0
"""Of a picture shown at two CSS pixels (0.53 mm) a pixel, from 60 cm."""
RULE = (
    "it chooses the picture whose difference of brightness from the original, weighted by the contrast sensitivity of "
    f"Mannos and Sakrison (1974) at {PIXELS_PER_DEGREE:g} pixels per degree, is smaller"
)


def observe(folder: Path, study: Study) -> tuple[Answer, ...]:
    """Every pair of systems on every crop, once.

    Args:
        folder: The study's.
        study: The study.

    Raises:
        DataError: participants do not see the original, so that there is nothing to compare with.
        ImageError: a picture cannot be read.
    """
    answers: list[Answer] = []
    for number, crop in enumerate(study.crops):
        if crop.original is None:
            raise DataError(
                "the model observer compares with the original: this study does not show it; make one with "
                "--original FOLDER --show-original"
            )
        original = _read_luma(folder / PICTURES / crop.original)
        errors = {
            system: visible_difference(_read_luma(folder / PICTURES / file), original)
            for system, file in crop.pictures.items()
        }
        for left, right in study.pairs:
            is_toss = errors[left] == errors[right] and draw_number(study.seed, NAME, len(answers)) % 2
            answers.append(
                Answer(
                    participant=NAME,
                    trial=len(answers),
                    choice="left" if is_toss or errors[left] < errors[right] else "right",
                    time_ms=0,
                    client_width=1,
                    client_height=1,
                    device_pixel_ratio=1.0,
                    zoom=1,
                    kind="pair",
                    crop=number,
                    left=left,
                    right=right,
                    received="",
                )
            )
    return tuple(answers)


def _read_luma(path: Path) -> Float[np.ndarray, "height width"]:
    return np.asarray(rgb_to_luma(to_tensor(read_picture(path).pixels))[0, 0].numpy())


def visible_difference(
    picture: Float[np.ndarray, "height width"], original: Float[np.ndarray, "height width"]
) -> float:
    """How far two pictures look apart: root mean square of their difference, weighted by contrast sensitivity.

    Args:
        picture: Brightness in [0, 1], gamma-encoded.
        original: Likewise.
    """
    height, width = original.shape
    per_degree = PIXELS_PER_DEGREE * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    weighted = np.fft.fft2(picture - original) * contrast_sensitivity(per_degree)
    return float(np.sqrt(np.mean(np.abs(weighted) ** 2) / original.size))


def contrast_sensitivity(cycles_per_degree: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Mannos and Sakrison's curve: 0.05 at 0, nearly 1 at 8 cycles per degree, where the eye sees most."""
    reach = 0.114 * cycles_per_degree
    return np.asarray(2.6 * (0.0192 + reach) * np.exp(-(reach**1.1)))
