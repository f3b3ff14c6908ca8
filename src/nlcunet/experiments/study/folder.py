"""A study on disk: ``study.json``, ``pictures/``, and ``SHA256SUMS`` over both, as the program ``sha256sum`` reads it.

Answers come beside them when the study is served: ``participants.jsonl``, ``answers.jsonl``, ``invitations.json``.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from nlcunet.errors import ConfigError, DataError
from nlcunet.experiments.study.design import Study
from nlcunet.files.atomic import write_file_atomically
from nlcunet.files.checksums import hash_bytes, hash_file
from nlcunet.files.folders import new_folder

STUDY_FILE, PICTURES, MANIFEST = "study.json", "pictures", "SHA256SUMS"
ANSWERS, PARTICIPANTS, INVITATIONS = "answers.jsonl", "participants.jsonl", "invitations.json"


def check_is_free(folder: Path) -> None:
    """See that nothing would be overwritten.

    Raises:
        ConfigError: the folder holds something, or is no folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"a study needs a folder of its own: {folder} is not empty; choose another name")


def write_study(folder: Path, study: Study, pictures: Mapping[str, bytes]) -> None:
    """Write a new study; the folder is there when all of it is.

    Args:
        folder: Where to.
        study: The study.
        pictures: Name of a file → its bytes.

    Raises:
        ConfigError: the folder holds something.
        DataError: it cannot be written.
    """
    check_is_free(folder)
    files = {f"{PICTURES}/{name}": data for name, data in pictures.items()}
    files[STUDY_FILE] = (study.model_dump_json(indent=1) + "\n").encode()
    sums = "".join(f"{hash_bytes(files[name])}  {name}\n" for name in sorted(files))
    files[MANIFEST] = sums.encode()
    try:
        with new_folder(folder) as draft:
            (draft / PICTURES).mkdir()
            for name, data in files.items():
                write_file_atomically(draft / name, data)
    except OSError as error:
        raise DataError(f"a study needs a folder that can be written: got {folder}: {error}; choose another") from error


def read_study(folder: Path) -> Study:
    """Read a study, and see that neither it nor a picture has changed since it was made.

    Raises:
        DataError: the folder holds no study, or a file is missing or not what it was.
    """
    try:
        sums = (folder / MANIFEST).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(
            f"a study must be a folder made by nlcunet study make: found no {MANIFEST} in {folder}; check the path"
        ) from error
    listed = set()
    for line in sums.splitlines():
        digest, _, name = line.partition("  ")
        _check_file(folder, name, digest)
        listed.add(name)
    try:
        study = Study.model_validate_json((folder / STUDY_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{folder / STUDY_FILE} must describe a study: {_shorten(error)}; make it again") from error
    missing = {STUDY_FILE, *(f"{PICTURES}/{name}" for name in study.files())} - listed
    if missing:
        raise DataError(f"every file of a study must be in {MANIFEST}: {folder} lacks {min(missing)}; make it again")
    return study


def study_id(folder: Path) -> str:
    """A short name that no other study has."""
    return hash_file(folder / MANIFEST)[:16]


def _check_file(folder: Path, name: str, digest: str) -> None:
    """See that a file is as it was.

    Raises:
        DataError: it is missing or changed.
    """
    try:
        actual = hash_file(folder / name)
    except (DataError, ValueError) as error:
        raise DataError(
            f"a study must be complete: {folder} has no {name!r} that can be read; copy it again"
        ) from error
    if actual != digest:
        raise DataError(
            f"a study must stay as it was made: {folder / name} has the SHA-256 {actual[:16]}…, "
            f"{MANIFEST} says {digest[:16]}…; copy it again, or make a new study"
        )


def _shorten(error: OSError | ValidationError) -> str:
    """The first problem in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    return str(error)
