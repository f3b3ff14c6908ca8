"""Weights from the Hugging Face Hub: fetched once into its cache, held against their checksum, and loaded.

Only safetensors files are asked for, never pickles. A repository must have been made by ``nlcunet models publish``, or
hold at least ``model.safetensors`` with our header and a ``SHA256SUMS`` beside it. The hub's own settings hold:
``HF_HOME``, ``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``.
"""

from collections.abc import Sequence
from pathlib import Path

from nlcunet.errors import WeightsError
from nlcunet.files.paths import expand_home
from nlcunet.models.fetching.address import SCHEME, WEIGHTS_FILE, HubAddress, parse_address
from nlcunet.models.fetching.checksums import CHECKSUMS_FILE, check_against, check_file, read_checksums
from nlcunet.models.fetching.library import hub_errors
from nlcunet.models.headers import embedded_models, find_header
from nlcunet.version import __version__

CONFIG_FILE = "config.json"
"""Nothing is read from it; the hub counts downloads by it."""


def find_model(name_or_path: str | Path) -> str | Path:
    """The one rule by which every door names models: an address on the hub or a folder becomes the file of its weights.

    Names of embedded weights and files stay as they are; a name goes before a folder that is called so.

    Raises:
        WeightsError: as ``fetch_weights``.
        ConfigError: likewise.
    """
    if str(name_or_path).startswith(SCHEME):
        return fetch_weights(str(name_or_path))
    folder = expand_home(name_or_path)
    is_folder = folder.is_dir() and name_or_path not in embedded_models()
    return fetch_weights(folder) if is_folder else name_or_path


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
    partner = f"{find_header(path).fidelity_weights}.safetensors"
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
