"""``from_pretrained``: weights from the Hugging Face Hub or from a folder, as an upscaler."""

from pathlib import Path
from typing import Unpack

from nlcunet.inference.loading import load
from nlcunet.inference.settings import EngineOptions
from nlcunet.inference.upscaler import Upscaler
from nlcunet.models.fetching.repository import fetch_weights


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
