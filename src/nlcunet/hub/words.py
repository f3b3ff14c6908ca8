"""What the header of weights says, in sentences: what they undo, what they were trained on, what they cannot do."""

from dataclasses import dataclass

from nlcunet.degradations.photo import PhotoPreset
from nlcunet.degradations.presets import (
    AnisotropicRange,
    DegradationPreset,
    FixedSigmas,
    IsotropicRange,
    KernelChoice,
    Preset,
    find_preset,
)
from nlcunet.errors import ConfigError
from nlcunet.models.weights import WeightsHeader


@dataclass(frozen=True)
class HubMeasure:
    """A number that headers hold."""

    kind: str
    """What the hub calls it."""
    title: str
    """For people, with unit."""
    decimals: int
    """How many are shown."""


MEASURES = {
    "psnr_y": HubMeasure("psnr", "PSNR on Y (dB)", 2),
    "ssim_y": HubMeasure("ssim", "SSIM on Y", 4),
    "psnr_rgb": HubMeasure("psnr", "PSNR on RGB (dB)", 2),
}
"""By the names that headers use; others are shown as they are."""


def find_measure(name: str) -> HubMeasure:
    """How a measure is shown."""
    return MEASURES.get(name, HubMeasure(name, name, 4))


def preset_of(header: WeightsHeader) -> Preset | None:
    """The named degradation that weights were trained to undo; nothing if the header says it in words."""
    name, _, scale = header.degradation.partition(" x")
    try:
        return find_preset(name, int(scale or header.scale))
    except (ConfigError, ValueError):
        return None


def tell_purpose(header: WeightsHeader) -> str:
    """What goes in and what comes out, in one sentence."""
    kind = "GAN weights: sharp and vivid, with texture that is invented" if header.fidelity_weights else ""
    what = f"Enlarges photographs {header.scale} times in width and height without knowing how they were blurred"
    return f"{what} ({kind})." if kind else f"{what}."


def tell_degradation(header: WeightsHeader) -> str:
    """What the weights were trained to undo."""
    preset = preset_of(header)
    if preset is None:
        return f"Trained to undo: {header.degradation or 'the file does not say what'}."
    if isinstance(preset, PhotoPreset):
        return (
            "Trained to undo what photographs have been through: blur, reduction by many kinds of programs, noise of "
            f"up to {preset.max_noise_std_8bit:g}/255, JPEG of quality {preset.min_jpeg_quality} and above, "
            f"sharpening; {preset.clean_share:.0%} of cases round blur and bicubic reduction alone (preset "
            f"`{header.degradation}`)."
        )
    steps = [_tell_blur(preset.kernels), f"bicubic reduction to 1/{preset.scale}"]
    if preset.noise_probability > 0:
        share = f"{preset.noise_probability:.0%}"
        steps.append(f"in {share} of cases Gaussian noise of up to {preset.max_noise_std_8bit:g}/255")
    if preset.jpeg_probability > 0:
        qualities = f"{preset.min_jpeg_quality} to {preset.max_jpeg_quality}"
        steps.append(f"in {preset.jpeg_probability:.0%} of cases JPEG of quality {qualities}")
    return f"Trained to undo {', then '.join(step for step in steps if step)} (preset `{header.degradation}`)."


def _tell_blur(kernels: KernelChoice | None) -> str:
    match kernels:
        case IsotropicRange():
            shape, sigma = "a round", f"sigma {kernels.min_sigma_px:g} to {kernels.max_sigma_px:g} pixels"
        case AnisotropicRange():
            shape, sigma = "an elliptic", f"sigmas {kernels.min_sigma_px:g} to {kernels.max_sigma_px:g} pixels"
        case FixedSigmas():
            shape, sigma = "a round", f"sigmas {', '.join(f'{each:g}' for each in kernels.sigmas_px)} pixels"
        case None:
            return ""
    return f"blur with {shape} Gaussian of {kernels.size_px}×{kernels.size_px} pixels, {sigma}"


def tell_limits(header: WeightsHeader) -> list[str]:
    """What the weights cannot do, one sentence or two each."""
    preset, limits = preset_of(header), []
    if isinstance(preset, DegradationPreset) and preset.noise_probability == 0 and preset.jpeg_probability == 0:
        learned = "plain reduction, neither blur nor noise" if preset.kernels is None else "blur, not noise"
        limits.append(
            f"The weights have learned {learned}: on noisy, heavily compressed or already sharpened pictures they may "
            "amplify what is wrong with them."
        )
    if header.fidelity_weights:
        limits.append(
            "Texture is invented. Do not use the result as evidence; `--strength` mixes with the faithful "
            f"{header.fidelity_weights}."
        )
    else:
        limits.append("No texture is invented: fur and grass come out smoother than they are.")
    if isinstance(preset, PhotoPreset):
        limits.append("Fine grain is smoothed like noise; noise that is stronger than in training stays in part.")
    if isinstance(preset, PhotoPreset) or (preset is not None and not isinstance(preset.kernels, AnisotropicRange)):
        limits.append("Motion blur and lens blur of other shapes are outside of what the weights have seen.")
    limits.append(
        f"The network sees tiles; neighbours overlap by {header.tile_overlap} pixels and blend, and differ slightly "
        "from the untiled picture."
    )
    return limits


def tell_training(header: WeightsHeader) -> str:
    """How much training the weights had; empty if the header does not say."""
    if not header.steps:
        return ""
    facts = [f"{header.steps:,} steps", f"{header.patches:,} patches" if header.patches else ""]
    facts.append(f"{header.hours:g} hours by the clock" if header.hours else "")
    return ", ".join(fact for fact in facts if fact)
