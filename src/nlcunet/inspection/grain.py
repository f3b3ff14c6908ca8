"""Whether a picture is noisy, for a decision: clean texture must not pass for noise, nor weak noise for texture.

White noise is everywhere, and at the highest frequencies of every block of 8×8 pixels about the same. Texture is not:
a clean picture has blocks, if only a few, with next to nothing at the highest frequencies, and others with much. So
what the quietest blocks have there speaks for noise, and what the others have more speaks against it. Together with the
measured noise these make a rule of five numbers.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nlcunet.inspection.dct import BLOCK_PX, blocks_of, coefficients
from nlcunet.inspection.windows import Window

QUANTILES = (0.02, 0.1, 0.5)
"""Of the energy at the highest frequencies over all blocks."""
HIGHEST = 5
"""The highest frequencies are those from this on in both directions: 9 of 64."""
MIN_BLOCKS = 8
"""With fewer unclipped blocks, those that touch clipped pixels count too."""
MIN_ENERGY = 1.0
"""Of a block without its mean; blocks with less are bars, frames and drawn areas, which have no noise."""
FLOOR_8BIT = 0.2
"""Added to all standard deviations before their logarithm is taken: less is rounding."""
COEFFICIENTS = (4.22, 10.39, -7.29, -4.17)
"""Of what ``evidence`` gives: a logistic rule, fitted on inputs at ×4, ×3 and ×2 from 150 training tiles, clean ones
against those with noise of 2 to 15, by ``python benchmarks/choice.py TILES tiles.csv --fit``."""
INTERCEPT = 3.57
"""Such that 99.2 % of the clean inputs with Gaussian8's kernels that it was fitted on are called clean."""


def quietness(windows: Sequence[Window]) -> Float[np.ndarray, "3"] | None:
    """Quantiles of the standard deviation of the highest frequencies over the blocks of a picture, in steps of 1/255.

    Returns:
        Nothing where there are fewer than ``MIN_BLOCKS`` blocks with anything in them.
    """
    energies, clipped = [np.zeros(0, np.float32)], [np.zeros(0, bool)]
    for window in windows:
        found = coefficients(blocks_of(window.luma)).reshape(-1, BLOCK_PX, BLOCK_PX)
        whole = np.square(found).sum(axis=(1, 2)) - np.square(found[:, 0, 0])
        usable: np.ndarray = whole > MIN_ENERGY
        if window.usable is not None:
            usable = np.logical_and(usable, blocks_of(window.usable).all(axis=(2, 3)).ravel())
        energies.append(np.square(found[usable, HIGHEST:, HIGHEST:]).mean(axis=(1, 2)))
        touching: np.ndarray = blocks_of(window.clipped).any(axis=(2, 3)).ravel()
        clipped.append(touching[usable])
    energy, touches = np.concatenate(energies), np.concatenate(clipped)
    if (~touches).sum() >= MIN_BLOCKS:
        energy = energy[~touches]
    if len(energy) < MIN_BLOCKS:
        return None
    quantiles: np.ndarray = np.sqrt(np.quantile(energy, QUANTILES)).astype(np.float64)
    return quantiles


def evidence(quiet: Float[np.ndarray, "3"], noise_std_8bit: float | None) -> Float[np.ndarray, "4"]:
    """What the rule weighs: logarithms of the measured noise, and of what ``quietness`` gives.

    Args:
        quiet: the quantiles.
        noise_std_8bit: as measured; where it is not, the quantile in the middle of the three stands for it.
    """
    noise = float(quiet[1]) if noise_std_8bit is None else noise_std_8bit
    logarithms: np.ndarray = np.log(np.array([noise, *quiet]) + FLOOR_8BIT)
    return logarithms


def is_noisy(windows: Sequence[Window], noise_std_8bit: float | None) -> bool:
    """Whether there is noise in a picture that a network which never saw any would take for detail."""
    quiet = quietness(windows)
    return quiet is not None and float(evidence(quiet, noise_std_8bit) @ np.array(COEFFICIENTS)) + INTERCEPT > 0
