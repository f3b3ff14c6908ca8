"""Weights from the Hugging Face Hub: fetched once into its cache, held against their checksum, and loaded.

Only safetensors files are asked for, never pickles. A repository must have been made by ``nlcunet models publish``, or
hold at least ``model.safetensors`` with our header and a ``SHA256SUMS`` beside it. The hub's own settings hold:
``HF_HOME``, ``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from nlcunet.errors import WeightsError
from nlcunet.hub.address import SCHEME, WEIGHTS_FILE, HubAddress, parse_address
from nlcunet.hub.checksums import CHECKSUMS_FILE, check_against, check_file, read_checksums
from nlcunet.hub.library import hub_errors
from nlcunet.inference.loading import load
from nlcunet.inference.settings import EngineOptions
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.weights import read_header
from nlcunet.version import __version__

CONFIG_FILE = "config.json"
"""Nothing is read from it; the hub counts downloads by it."""


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    sha256: str | None = None,
    **options: Unpack[EngineOptions],
) -> Upscaler:
    """An upscaler with weights from the Hugging Face Hub, or from a folder that was published or fetched before.

    Args:
        name: ``"user/4x-NLCUnet-S"``, an address as ``"hf://user/4x-NLCUnet-S@v1"``, or a folder.
        revision: branch, tag or commit; see ``fetch_weights``, as for the following.
        token: access token.
        cache_dir: where fetched files are kept.
        local_files_only: ask nobody.
        force_download: fetch again what is there.
        sha256: what the weights must have.
        options: those of ``nlcunet.load``: device, precision, tile, overlap, threads, strength, denoise, quality,
            engine.

    Raises:
        WeightsError: the repository or its weights are missing, out of reach, damaged, or none of nlcunet.
        ConfigError: the name cannot be one of a repository, or another argument is not possible.
        DeviceError: there is no such device.
    """
    path = fetch_weights(
        name,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
        sha256=sha256,
    )
    return load(path, **options)


def find_model(name_or_path: str | Path) -> str | Path:
    """What ``load`` and ``load_model`` take: weights from the hub are fetched, any other name stays as it is.

    Raises:
        WeightsError: as ``fetch_weights``.
        ConfigError: likewise.
    """
    return (
        fetch_weights(name_or_path)
        if isinstance(name_or_path, str) and name_or_path.startswith(SCHEME)
        else name_or_path
    )


def fetch_weights(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    sha256: str | None = None,
) -> Path:
    """The file of weights on the hub, in the local cache and proved whole; ready for ``load`` or ``load_model``.

    GAN weights come with the PSNR weights that they mix with, if the repository holds them.

    Args:
        name: ``"user/name"``, an address as ``"hf://user/name@v1/other.safetensors"``, or a folder.
        revision: branch, tag or commit instead of the address's own; by default the main branch.
        token: access token of a private repository; by default ``HF_TOKEN`` or that of ``hf auth login``.
        cache_dir: where fetched files are kept; by default the hub's cache.
        local_files_only: take what is in the cache and ask nobody, as ``HF_HUB_OFFLINE=1`` does.
        force_download: fetch again what is there.
        sha256: what the weights must have; by default what ``SHA256SUMS`` beside them says.

    Raises:
        WeightsError: the repository or its weights are missing, out of reach or damaged.
        ConfigError: the name cannot be one of a repository.
    """
    if Path(name).is_dir():
        folder = Path(name)
        return _check(folder, WEIGHTS_FILE, sha256, f"copy {folder} again")
    address = parse_address(str(name))
    if revision is not None:
        address = HubAddress(address.repo, revision, address.file)

    def download(files: Sequence[str]) -> Path:
        with hub_errors(address.repo, address.revision) as hub:
            folder = hub.snapshot_download(
                address.repo,
                revision=address.revision,
                allow_patterns=list(files),
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
                library_name="nlcunet",
                library_version=__version__,
            )
        return Path(folder)

    folder = download([address.file, CHECKSUMS_FILE, CONFIG_FILE])
    if not (folder / address.file).is_file():
        raise WeightsError(
            f"{address.repo} must hold {address.file}: it does not; pickles beside it are never loaded; "
            "nlcunet models publish writes what a repository needs"
        )
    # snapshots/COMMIT in the folder of the repository: what is fetched again must be gone from there
    remedy = f"delete {folder.parents[1]} and load it again"
    path = _check(folder, address.file, sha256, remedy)
    partner = f"{read_header(path).fidelity_weights}.safetensors"
    if partner in _sums(folder):
        _check(download([partner]), partner, None, remedy)
    return path


def _sums(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS_FILE
    return read_checksums(path) if path.is_file() else {}


def _check(folder: Path, name: str, sha256: str | None, remedy: str) -> Path:
    """The file, if it is what it must be."""
    path = folder / name
    if not path.is_file():
        raise WeightsError(f"a folder of weights must hold {name}: there is none in {folder}")
    if sha256 is not None:
        check_file(path, sha256, remedy)
    elif not (folder / CHECKSUMS_FILE).is_file():
        raise WeightsError(
            f"{CHECKSUMS_FILE} must lie beside {name}: there is none; give the SHA-256 that the weights must have "
            "(sha256=…), or publish them with nlcunet models publish"
        )
    else:
        check_against(_sums(folder), folder, name, remedy)
    return path
