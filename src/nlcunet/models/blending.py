"""Two knobs, by mixing weights linearly: between faithful and vivid, and between grain kept and grain removed.

The first mixes the weights of the PSNR network and of the GAN network, the second those of a network that was trained
on noise and compression with those of the network for clean pictures that its training started from.

Sources: network interpolation in ESRGAN, https://arxiv.org/abs/1809.00219, section 3.4; Deep Network Interpolation,
https://arxiv.org/abs/1811.10515. It works because GAN training starts from the PSNR weights, so that the two stay near
each other; mixing the weights of networks trained apart gives noise.

A GAN weights file names its PSNR weights in its header (``fidelity_weights``). By custom the two are called
``4x-NLCUnet-S`` and ``4x-NLCUnet-S-GAN``, and lie in one folder or are both embedded.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nlcunet.errors import ConfigError, NlcunetError, WeightsError
from nlcunet.models.fetching.repository import find_model
from nlcunet.models.growing import can_grow, grown_network
from nlcunet.models.kernel_conditioned import check_needs_no_kernel
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.weights import (
    LoadedModel,
    WeightsHeader,
    embedded_models,
    find_header,
    find_weights,
    has_header,
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


def load_mixture(
    name_or_path: str | Path, *, strength: float | int | None = None, denoise: float | int | None = None
) -> LoadedModel:
    """The weights named, mixed as both knobs say; those of neither knob are exactly the ones named.

    Raises:
        ConfigError: a number is outside 0 … 1, the weights cannot be mixed so, or must be told the blur kernel.
        WeightsError: there is no such model, or none to mix it with.
    """
    name_or_path = find_model(name_or_path)  # asked once, not for every look
    if denoise is not None:
        return load_denoised(name_or_path, denoise, strength=strength)
    loaded = load_model(name_or_path) if strength is None else load_blend(name_or_path, strength)
    check_needs_no_kernel(loaded.network)
    return loaded


def load_denoised(
    name_or_path: str | Path,
    denoise: float | int,
    *,
    strength: float | int | None = None,
    device: torch.device | str = "cpu",
) -> LoadedModel:
    """Load weights that know noise and compression, and mix them with those for clean pictures.

    Args:
        name_or_path: weights whose header names the clean ones that they started from, embedded or in the same folder.
        denoise: 0 gives the clean weights, which take noise for detail, 1 those named; between, some grain stays.
        strength: as for ``load_blend``; the mixture of PSNR and GAN weights is then what is mixed with the clean ones.
        device: where the weights go.

    Raises:
        ConfigError: the number does not lie in 0 … 1, or the weights have no clean ones.
        WeightsError: there is no such model, or a partner is missing or does not belong to it.
    """
    check_denoise(denoise)
    header = find_header(name_or_path)
    if not header.clean_weights:
        raise ConfigError(
            f"denoise needs weights that were trained on noise, as 4x-NLCUnet-S-Photo: got {header.name}; choose such "
            "weights, or leave it out"
        )
    path = find_weights(name_or_path)
    clean = _find_beside(
        path, (header.clean_weights,), f"{header.name} was trained from {header.clean_weights}, whose file"
    )
    denoising = load_model(path) if strength is None else load_blend(path, strength)
    mixed = mix_networks(load_model(clean), denoising, denoise)
    name = f"{denoising.header.name}@denoise={_number(denoise)}"
    told = denoising.header.model_copy(update={"name": name, "scores": denoising.header.scores if denoise == 1 else {}})
    return LoadedModel(mixed.to(device), told)


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
    if not has_header(path):
        raise ConfigError(f"strength mixes the weights of two networks of nlcunet: got {path}; leave it out")
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

    Returns:
        A network of its own, in evaluation mode; its header is the GAN network's with the strength in its name, and
        keeps scores only where the weights are exactly those that were scored.

    Raises:
        ConfigError: the strength does not lie in 0 … 1.
        WeightsError: the two networks differ in shape, or in what is fixed and not trained, as hash rotations.
    """
    check_strength(strength)
    network = mix_networks(fidelity, perceptual, strength)
    return LoadedModel(network, _blend_headers(fidelity.header, perceptual.header, strength))


def mix_networks(first: LoadedModel, second: LoadedModel, share: float | int) -> nn.Module:
    """The network, in evaluation mode, whose weights lie ``share`` of the way from the first to the second model's.

    Where the second has more blocks, the first counts as one whose further blocks do nothing.
    """
    first = _with_blocks_of(first, second)
    for field, got in (
        ("architecture", [model.header.architecture for model in (first, second)]),
        ("config", _configs_of(first, second)),
        ("scale", [model.header.scale for model in (first, second)]),
    ):
        if got[0] != got[1]:
            raise WeightsError(
                f"weights that are mixed must have one {field}: got {got[0]} in {first.header.name} and {got[1]} in "
                f"{second.header.name}"
            )
    network = copy.deepcopy(first.network)
    network.load_state_dict(dict(_blend_tensors(first.network, second.network, share)))
    return network.eval()


def _configs_of(*models: LoadedModel) -> list[object]:
    """Configurations of the networks, where all have one: an older header may leave settings to their defaults."""
    configs = [getattr(model.network, "config", None) for model in models]
    return [model.header.config for model in models] if None in configs else configs


def _with_blocks_of(first: LoadedModel, second: LoadedModel) -> LoadedModel:
    """The first model, with as many blocks as the second where it has fewer."""
    shallow, deep = first.network, second.network
    if not isinstance(shallow, NLCUnet) or not isinstance(deep, NLCUnet) or shallow.config == deep.config:
        return first
    is_alike = replace(shallow.config, depths=deep.config.depths) == deep.config
    if not is_alike or not can_grow(shallow.config, deep.config):
        return first
    config = {**first.header.config, "depths": second.header.config["depths"]}
    return LoadedModel(grown_network(shallow, deep), first.header.model_copy(update={"config": config}))


def check_denoise(denoise: float | int) -> None:
    """Refuse a number outside 0 … 1."""
    if not 0 <= denoise <= 1:  # NaN, too
        raise ConfigError(f"denoise must lie in 0 (grain kept) … 1 (grain removed): got {denoise:g}")


def check_strength(strength: float | int) -> None:
    """Refuse a strength outside 0 … 1."""
    if not 0 <= strength <= 1:  # NaN, too
        raise ConfigError(f"strength must lie in 0 (PSNR weights) … 1 (GAN weights): got {strength:g}")


def _blend_tensors(first: nn.Module, second: nn.Module, share: float | int) -> Iterator[tuple[str, Tensor]]:
    """The state of the mixture; what is fixed must be equal in both, and is copied."""
    trained = {name for name, _ in first.named_parameters()}
    own, others = first.state_dict(), second.state_dict()
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in others.items()}:
        raise WeightsError("weights that are mixed must have tensors of one name and shape: they are of two networks")
    for name, value in own.items():
        other = others[name].to(value.device)
        if name in trained:
            yield name, torch.lerp(value, other.to(value.dtype), share)
        elif value.is_floating_point() and not torch.equal(value, other):
            raise WeightsError(
                f"what is fixed in weights that are mixed, as hash rotations, must be equal: {name} differs; train "
                "one of them from the other"
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
