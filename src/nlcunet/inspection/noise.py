"""Noise of a picture: what is left in all directions of small patches where the picture itself has little to say.

Patches of a picture lie near a few directions of the 49-dimensional space of all 7×7 patches; white noise lies in
every direction alike. Two published ideas together: take patches whose gradients noise alone could explain (X. Liu, M.
Tanaka, M. Okutomi, "Single-Image Noise Level Estimation for Blind Denoising", IEEE Transactions on Image Processing 22,
2013), and, of the variances along the principal axes, drop the largest until the mean of the rest is their median (G.
Chen, F. Zhu, P. A. Heng, "An Efficient Statistical Method for Image Noise Level Estimation", ICCV 2015). The first
alone takes the smallest variance, which with few patches lies far below the mean; the second takes texture for noise.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from nlcunet.inspection.products import principal_variances
from nlcunet.inspection.windows import Window

PATCH_PX = 7
MAX_PATCHES = 20_000
"""About so many of a channel, evenly spread over all windows; of small pictures fewer."""
MANY_PATCHES = 7_000
"""As many are looked at however small a picture is, if it has them."""
PIXELS_PER_PATCH = 75
"""A larger picture has one patch looked at for so many pixels: so the time goes with the size."""
MIN_PATCHES = 6 * PATCH_PX**2
"""With fewer, nothing can be said about 49 directions."""
ENERGY_OF_UNIT_NOISE = 58.25147960679344
"""What the gradient energy of 99 % of all patches of white noise of variance 1 stays below: they count as weakly
textured. Drawn, 20,000 patches, since differences within a patch overlap; a test draws them again."""
_ROUNDS = 10
_SETTLED = 0.01


def estimate_noise(windows: Sequence[Window], step_8bit: float = 1.0) -> float | None:
    """Standard deviation of white noise in a channel, in steps of 1/255; the root mean square over the channels.

    Args:
        windows: parts of one picture.
        step_8bit: distance of neighbouring values of the file, in steps of 1/255: 1 for 8 bits. The variance of
            rounding to it is taken off.

    Returns:
        At least 0; nothing where fewer than ``MIN_PATCHES`` patches are whole and free of clipped pixels.
    """
    if not windows:
        return None
    patches = list(_patches(windows))
    if not patches or sum(len(some[0]) for some in patches) < MIN_PATCHES:
        return None
    channels = [np.concatenate([some[channel] for some in patches]) for channel in range(len(patches[0]))]
    variance = float(np.mean([noise_variance(channel) for channel in channels]))
    return float(np.sqrt(max(variance - step_8bit**2 / 12, 0.0)))


def noise_variance(patches: Float[np.ndarray, "patches samples"]) -> float:
    """Variance of white noise in patches, of which those with much structure are left out, round by round.

    The rounds end where the patches that the noise explains have that very noise. Begun with too much, they may end
    early, at the texture of a picture that has little else; begun with too little, at its few quietest patches. Of both
    ends the lower one is nearly always nearer to the truth.
    """
    texture = gradient_energy(patches.reshape(-1, PATCH_PX, PATCH_PX)) / ENERGY_OF_UNIT_NOISE
    is_blank = texture == 0.0
    if MIN_PATCHES <= (~is_blank).sum() < len(patches):  # bars and frames around a picture have no noise
        patches, texture = patches[~is_blank], texture[~is_blank]
    variances = principal_variances(patches)
    return min(_settle(patches, texture, start) for start in (_tail_mean(variances), float(variances[-1])))


def _settle(
    patches: Float[np.ndarray, "patches samples"], texture: Float[np.ndarray, " patches"], variance: float
) -> float:
    """Measure the patches that noise of this variance explains, again and again with what was measured."""
    quietest = float(np.partition(texture, MIN_PATCHES - 1)[MIN_PATCHES - 1])
    for _ in range(_ROUNDS):
        before = variance
        variance = _tail_mean(principal_variances(patches[texture <= max(before, quietest)]))
        if abs(variance - before) <= _SETTLED * before:
            break
    return variance


def _patches(windows: Sequence[Window]) -> Iterator[Float[np.ndarray, "channels patches samples"]]:
    """Patches of each window, every few pixels, without those that touch clipped or hidden pixels."""
    sizes = [[max(0, side - PATCH_PX + 1) for side in window.channels.shape[1:]] for window in windows]
    places = sum(down * across for down, across in sizes)
    wanted = sum(window.num_pixels for window in windows) / PIXELS_PER_PATCH
    step = max(1, int(np.sqrt(places / np.clip(wanted, MANY_PATCHES, MAX_PATCHES))))
    step += step > 2 and step % 2 == 0  # an odd one falls in step with no pattern of 8 pixels
    for window in windows:
        if min(window.channels.shape[1:]) < PATCH_PX:
            continue
        view = np.lib.stride_tricks.sliding_window_view(window.channels, (PATCH_PX, PATCH_PX), axis=(1, 2))
        clipped = np.lib.stride_tricks.sliding_window_view(window.clipped, (PATCH_PX, PATCH_PX))
        good = ~clipped[::step, ::step].any(axis=(2, 3))
        yield view[:, ::step, ::step][:, good].reshape(len(window.channels), -1, PATCH_PX**2)


def _tail_mean(variances: Float[np.ndarray, " samples"]) -> float:
    """Mean of those that are left when the largest are dropped until it is no more above the median (Chen et al.)."""
    for first in range(len(variances)):
        rest = variances[first:]
        mean = float(rest.mean())
        if (rest > mean).sum() >= (rest < mean).sum():
            return mean
    return float(variances[-1])


def gradient_energy(patches: Float[np.ndarray, "patches height width"]) -> Float[np.ndarray, " patches"]:
    """Sum of squared central differences within each patch."""
    right = (patches[:, :, 2:] - patches[:, :, :-2]) / 2
    down = (patches[:, 2:] - patches[:, :-2]) / 2
    energy: np.ndarray = np.square(right).sum(axis=(1, 2)) + np.square(down).sum(axis=(1, 2))
    return energy
