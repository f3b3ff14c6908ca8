"""One knob between faithful and vivid: the weights of the PSNR network and of the GAN network, mixed linearly.

Sources: network interpolation in ESRGAN, https://arxiv.org/abs/1809.00219, section 3.4; Deep Network Interpolation,
https://arxiv.org/abs/1811.10515. It works because GAN training starts from the PSNR weights, so that the two stay near
each other; mixing the weights of networks trained apart gives noise.

A GAN weights file names its PSNR weights in its header (``fidelity_weights``). By custom the two are called
``4x-NLCUnet-S`` and ``4x-NLCUnet-S-GAN``, and lie in one folder or are both embedded.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from nlcunet.errors import ConfigError, NlcunetError, WeightsError
from nlcunet.models.weights import (
    LoadedModel,
    WeightsHeader,
    embedded_models,
    find_header,
    find_weights,
    load_model,
    read_header,
)

GAN_ENDING = "-GAN"
"""What the name of GAN weights has more than that of their PSNR weights."""


def load_blend(name_or_path: str | Path, strength: float | int, *, device: torch.device | str = "cpu") -> LoadedModel:
    """Load the PSNR and the GAN weights that belong together, and mix them.

    Args:
        name_or_path: either of the two, by embedded name or file.
        strength: 0 gives the PSNR weights exactly, 1 the GAN weights exactly.
        device: where the weights go.

    Raises:
        ConfigError: the strength does not lie in 0 … 1, or the model has no weights.
        WeightsError: there is no such model, it has no partner, or the two do not belong together.
    """
    check_strength(strength)
    fidelity, perceptual = find_pair(name_or_path)
    blended = blend_weights(load_model(fidelity), load_model(perceptual), strength)
    return LoadedModel(blended.network.to(device), blended.header)


def find_pair(name_or_path: str | Path) -> tuple[Path, Path]:
    """The files of the PSNR and of the GAN weights, from either of the two.

    A file's partner is looked for beside it first, then among the embedded weights.

    Raises:
        ConfigError: the model has no weights (bicubic).
        WeightsError: there is no such model, it has no partner, or the partner names other PSNR weights.
    """
    if find_header(name_or_path).architecture == "Bicubic":
        raise ConfigError(
            f"strength mixes the weights of two networks: got {name_or_path}, which has none; leave it out"
        )
    path = find_weights(name_or_path)
    header = read_header(path)
    if partner := header.fidelity_weights or _without_ending(header.name):
        return _find_beside(path, (partner,), f"{header.name} was trained from {partner}, whose file"), path
    names = dict.fromkeys((f"{path.stem}{GAN_ENDING}", f"{header.name}{GAN_ENDING}"))
    perceptual = _find_beside(
        path, tuple(names), f"strength needs GAN weights that were trained from {header.name}; they"
    )
    origin = read_header(perceptual).fidelity_weights
    if origin not in {"", header.name, path.stem}:
        raise WeightsError(f"{perceptual} must have been trained from {header.name}: got weights trained from {origin}")
    return path, perceptual


def has_pair(name_or_path: str | Path) -> bool:
    """Whether a model has both PSNR and GAN weights, so that they can be mixed."""
    try:
        find_pair(name_or_path)
    except NlcunetError:
        return False
    return True


def blend_weights(fidelity: LoadedModel, perceptual: LoadedModel, strength: float | int) -> LoadedModel:
    """The network whose weights lie ``strength`` of the way from PSNR to GAN weights; neither of the two is changed.

    Args:
        fidelity: the PSNR network.
        perceptual: the GAN network, of the same shape.
        strength: from 0 (fidelity's weights exactly) to 1 (perceptual's weights exactly).

    Returns:
        A network of its own, in evaluation mode; its header is the GAN network's with the strength in its name, and
        keeps scores only where the weights are exactly those that were scored.

    Raises:
        ConfigError: the strength does not lie in 0 … 1.
        WeightsError: the two networks differ in shape, or in what is fixed and not trained, as hash rotations.
    """
    check_strength(strength)
    for field in ("architecture", "config", "scale"):
        got = [getattr(model.header, field) for model in (fidelity, perceptual)]
        if got[0] != got[1]:
            raise WeightsError(
                f"PSNR and GAN weights must have one {field}: got {got[0]} in {fidelity.header.name} and {got[1]} in "
                f"{perceptual.header.name}"
            )
    network = copy.deepcopy(fidelity.network)
    network.load_state_dict(dict(_blend_tensors(fidelity.network, perceptual.network, strength)))
    return LoadedModel(network.eval(), _blend_headers(fidelity.header, perceptual.header, strength))


def check_strength(strength: float | int) -> None:
    """Refuse a strength outside 0 … 1.

    Raises:
        ConfigError: it is.
    """
    if not 0 <= strength <= 1:  # NaN, too
        raise ConfigError(f"strength must lie in 0 (PSNR weights) … 1 (GAN weights): got {strength:g}")


def _blend_tensors(fidelity: nn.Module, perceptual: nn.Module, strength: float | int) -> Iterator[tuple[str, Tensor]]:
    """The state of the mixture; what is fixed must be equal in both, and is copied."""
    trained = {name for name, _ in fidelity.named_parameters()}
    first, second = fidelity.state_dict(), perceptual.state_dict()
    if {name: value.shape for name, value in first.items()} != {name: value.shape for name, value in second.items()}:
        raise WeightsError("PSNR and GAN weights must have tensors of one name and shape: they are of two networks")
    for name, value in first.items():
        other = second[name].to(value.device)
        if name in trained:
            yield name, torch.lerp(value, other.to(value.dtype), strength)
        elif value.is_floating_point() and not torch.equal(value, other):
            raise WeightsError(
                f"what is fixed in PSNR and GAN weights, as hash rotations, must be equal: {name} differs; train the "
                "GAN stage from these PSNR weights"
            )
        else:
            yield name, value


def _blend_headers(fidelity: WeightsHeader, perceptual: WeightsHeader, strength: float | int) -> WeightsHeader:
    name = perceptual.name if perceptual.name != fidelity.name else f"{fidelity.name}{GAN_ENDING}"
    scores = fidelity.scores if strength == 0 else perceptual.scores if strength == 1 else {}
    return perceptual.model_copy(update={"name": f"{name}@{_number(strength)}", "scores": scores})


def _number(strength: float | int) -> str:
    """``0.40``, and as many digits as it takes where two do not do."""
    short = f"{strength:.2f}"
    return short if float(short) == strength else f"{strength:g}"


def _without_ending(name: str) -> str:
    """Name of the PSNR weights by custom, nothing if this is no name of GAN weights."""
    return name.removesuffix(GAN_ENDING) if name.endswith(GAN_ENDING) else ""


def _find_beside(path: Path, names: tuple[str, ...], what: str) -> Path:
    """The first of these weights in the folder of ``path``, or else embedded."""
    # a header could come from anywhere: its partner's name must not lead out of the folder
    plain = [name for name in names if Path(name).name == name]
    places = [path.with_name(f"{name}.safetensors") for name in plain]
    places += [find_weights(name) for name in plain if name in embedded_models()]
    for place in places:
        if place.is_file():
            return place
    looked_for = " or ".join(f"{name}.safetensors" for name in names)
    raise WeightsError(f"{what} must lie in {path.parent} or be embedded: found no {looked_for}")
