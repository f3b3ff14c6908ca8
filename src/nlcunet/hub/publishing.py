"""A model as a folder that can be published: weights, card, records for other catalogues, ONNX, checksums.

The folder appears whole or not at all. ``nlcunet.hub.upload`` takes it to the Hugging Face Hub.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nlcunet.errors import ConfigError, WeightsError
from nlcunet.export.exporting import ExportRequest, check_libraries, export_model
from nlcunet.export.facts import Parity
from nlcunet.export.pictures import read_pictures
from nlcunet.files.checksums import hash_file
from nlcunet.files.folders import new_folder
from nlcunet.hub.card import CardFacts, make_card
from nlcunet.hub.openmodeldb import PublishedFile, make_record
from nlcunet.imaging.files import write_picture
from nlcunet.imaging.picture import Picture
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.blending import find_pair
from nlcunet.models.fetching.address import WEIGHTS_FILE, parse_address
from nlcunet.models.fetching.checksums import CHECKSUMS_FILE, format_checksums
from nlcunet.models.fetching.library import import_hub
from nlcunet.models.fetching.repository import CONFIG_FILE, find_model
from nlcunet.models.weights import LoadedModel, WeightsHeader, find_weights, load_model, save_weights
from nlcunet.version import __version__

SIDE_PX = 96
TOP_PX, LEFT_PX = 27, 75
"""The bird's head and bill."""
LOW_RES, BICUBIC, ENLARGED = "images/low_res.png", "images/bicubic.png", "images/enlarged.png"

ONNX_FILE = "model.onnx"
CARD_FILE = "README.md"
OPENMODELDB_FILE = "openmodeldb.json"
AUTHOR = "the-nlcunet-authors"


@dataclass(frozen=True, kw_only=True)
class PublishRequest:
    """What to write beside the weights."""

    repo: str | None = None
    """``user/name`` on the hub, for addresses in the texts; nothing if the folder stays at home."""
    author: str | None = None
    """Who publishes; by default the user of the repository."""
    has_onnx: bool = True
    """Export to ONNX, verified against PyTorch; takes a minute for NLCUnet-S."""
    overwrite: bool = False
    """Replace a folder that was written by this program."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.repo is not None and parse_address(self.repo).repo != self.repo:
            raise ConfigError(f"a repository to publish in must be user/name: got {self.repo!r}")


@dataclass(frozen=True)
class PublishedModel:
    """What was written."""

    folder: Path
    header: WeightsHeader
    files: tuple[str, ...]
    """Names in the folder, in order."""
    parity: Parity | None
    """How far the ONNX file is from PyTorch, if there is one."""


def publish(
    name_or_path: str | Path,
    folder: Path,
    request: PublishRequest,
    *,
    on_export: Callable[[], None] = lambda: None,
) -> PublishedModel:
    """Write a folder to publish, from weights by name or file; the weights are copied to the last byte.

    PSNR weights that GAN weights mix with are put beside them.

    Args:
        name_or_path: embedded name, weights file, or ``hf://`` address.
        folder: must not be there yet.
        request: what to write.
        on_export: called before the export to ONNX.

    Raises:
        WeightsError: there are no such weights, or the folder cannot be written.
        ConfigError: the folder is there already, the model has no weights, or a library is missing.
        ExportError: the model cannot be exported, or its export differs; nothing was written then.
    """
    model = load_model(found := find_model(name_or_path))
    if model.header.architecture == "Bicubic":
        raise ConfigError(f"a model to publish must have weights: {model.header.name} has none; name another")
    partners = {}
    if model.header.fidelity_weights:
        fidelity, _ = find_pair(found)
        partners[f"{model.header.fidelity_weights}.safetensors"] = fidelity

    def place_weights(target: Path) -> None:
        shutil.copyfile(find_weights(found), target / WEIGHTS_FILE)
        for name, path in partners.items():
            shutil.copyfile(path, target / name)

    return _write(model, folder, place_weights, request, on_export)


def save_pretrained(
    model: LoadedModel, folder: str | Path, request: PublishRequest | None = None, *, half: bool = True
) -> PublishedModel:
    """Write the same folder from a model in memory, as one that was just trained.

    Args:
        model: network and header.
        folder: must not be there yet.
        request: what to write; by default everything but ONNX.
        half: store the weights in half precision.

    Raises:
        ConfigError: as ``publish``.
        WeightsError: likewise.
        ExportError: likewise.
    """

    def place_weights(target: Path) -> None:
        save_weights(target / WEIGHTS_FILE, model.network, model.header, half=half)

    return _write(model, Path(folder), place_weights, request or PublishRequest(has_onnx=False), lambda: None)


def _write(
    model: LoadedModel,
    folder: Path,
    place_weights: Callable[[Path], None],
    request: PublishRequest,
    on_export: Callable[[], None],
) -> PublishedModel:
    if model.header.is_foreign:
        raise ConfigError(
            f"a model to publish must be a network of nlcunet: {model.header.name} is other people's; name another"
        )
    import_hub()
    check_is_free(folder, overwrite=request.overwrite)
    if request.has_onnx:
        check_libraries(ExportRequest())
    with _told_as_weights_error(folder), new_folder(folder) as draft:
        place_weights(draft)
        parity = None
        if request.has_onnx:
            on_export()
            parity = export_model(model, draft / ONNX_FILE, ExportRequest()).parity
        write_samples(model, draft)
        _write_texts(model.header, draft, folder.name, request, parity)
        names = tuple(sorted(str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file()))
    return PublishedModel(folder, model.header, names, parity)


def _write_texts(
    header: WeightsHeader, draft: Path, folder_name: str, request: PublishRequest, parity: Parity | None
) -> None:
    """Everything that is made from the header: configuration, card, record, and the checksums at the end."""
    repo = request.repo
    files = [PublishedFile(draft / WEIGHTS_FILE, "pytorch", "safetensors")]
    files += [PublishedFile(draft / ONNX_FILE, "onnx", "onnx")] if parity is not None else []
    record = make_record(
        header,
        author=request.author or (repo.partition("/")[0] if repo else AUTHOR),
        files=files,
        web=f"{import_hub().constants.ENDPOINT}/{repo}/resolve/main" if repo else None,
        images=(LOW_RES, ENLARGED),
    )
    config = {"library_name": "nlcunet", "nlcunet_version": __version__, **header.model_dump(mode="json")}
    facts = CardFacts(
        place=repo or folder_name,
        is_repo=repo is not None,
        files={file.path.name: hash_file(file.path) for file in files},
        parity=parity,
        images=(BICUBIC, ENLARGED),
    )
    (draft / CONFIG_FILE).write_text(_as_json(config), encoding="utf-8")
    (draft / OPENMODELDB_FILE).write_text(_as_json(record), encoding="utf-8")
    # The card is left out of the sums: people edit it on the hub, and nothing is read from it.
    names = [str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file()]
    (draft / CHECKSUMS_FILE).write_text(format_checksums(draft, names), encoding="utf-8")
    (draft / CARD_FILE).write_text(make_card(header, facts), encoding="utf-8")


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def check_is_free(folder: Path, *, overwrite: bool) -> None:
    """See that nothing is lost.

    Raises:
        ConfigError: the folder is there, or, when it may be replaced, is none of ours or holds something else as well.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise ConfigError(f"the folder must not be there yet: got {folder}; choose another, or give --overwrite")
    if not folder.is_dir() or not (folder / CONFIG_FILE).is_file() or not (folder / CHECKSUMS_FILE).is_file():
        raise ConfigError(f"only a folder that was published before is replaced: {folder} is none; choose another")
    known = {CONFIG_FILE, CHECKSUMS_FILE, CARD_FILE, OPENMODELDB_FILE, ONNX_FILE, LOW_RES, BICUBIC, ENLARGED}
    inside = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    foreign = sorted(name for name in inside - known if not name.endswith(".safetensors"))
    if foreign:
        raise ConfigError(f"a folder is replaced as a whole: {folder} also holds {foreign[0]}; move it away first")


@contextmanager
def _told_as_weights_error(folder: Path) -> Iterator[None]:
    """What the disk refuses, as an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{folder} must be a folder that can be written: {error}; choose another") from error


def write_samples(model: LoadedModel, folder: Path) -> None:
    """Write the detail as it is, enlarged by bicubic interpolation, and enlarged by the model; on the CPU."""
    (photograph,) = read_pictures()
    detail = photograph[:, TOP_PX : TOP_PX + SIDE_PX, LEFT_PX : LEFT_PX + SIDE_PX]
    bicubic = load_model(f"bicubic-x{model.header.scale}")
    (folder / LOW_RES).parent.mkdir()
    _write_sample(detail, folder / LOW_RES)
    for name, each in ((BICUBIC, bicubic), (ENLARGED, model)):
        _write_sample(Upscaler(each, device="cpu").upscale(detail), folder / name)


def _write_sample(pixels: Float[Tensor, "3 height width"], path: Path) -> None:
    samples = (pixels * 255).round().byte().permute(1, 2, 0).numpy()
    write_picture(Picture(pixels=np.ascontiguousarray(samples)), path)
