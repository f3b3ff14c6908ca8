"""A published folder, or a model in memory, to a repository of the Hugging Face Hub."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nlcunet.errors import ConfigError
from nlcunet.hub.publishing import PublishRequest, save_pretrained
from nlcunet.models.fetching.address import WEIGHTS_FILE, parse_address
from nlcunet.models.fetching.checksums import CHECKSUMS_FILE, check_against, read_checksums
from nlcunet.models.fetching.library import hub_errors
from nlcunet.models.weights import LoadedModel
from nlcunet.version import __version__


def push_to_hub(
    what: LoadedModel | str | Path,
    repo: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = "Weights from nlcunet",
    create_pr: bool = False,
) -> str:
    """Upload a model; the repository is made if it is not there.

    Args:
        what: folder that ``publish`` or ``save_pretrained`` has written, or a model, which is written to one first.
        repo: ``user/name``.
        private: whether a new repository is; by default as your account says. One that is there stays as it is.
        token: access token that may write; by default ``HF_TOKEN`` or that of ``hf auth login``.
        revision: branch to commit to; by default the main branch.
        commit_message: first line of the commit.
        create_pr: propose the commit instead of making it.

    Returns:
        Address of the commit on the web.

    Raises:
        ConfigError: the name cannot be one of a repository, or the folder is none that was published.
        WeightsError: a file of the folder has changed, or the hub did not take it.
    """
    repo = parse_address(repo).repo
    with _as_folder(what, repo) as folder, hub_errors(repo, revision) as hub:
        api = hub.HfApi(token=token, library_name="nlcunet", library_version=__version__)
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            create_pr=create_pr,
        )
    return str(commit.pr_url or commit.commit_url)


@contextmanager
def _as_folder(what: LoadedModel | str | Path, repo: str) -> Iterator[Path]:
    """The folder that was meant, or one for a while with the model in it."""
    if isinstance(what, LoadedModel):
        with tempfile.TemporaryDirectory() as parent:
            request = PublishRequest(repo=repo, has_onnx=False)
            yield save_pretrained(what, Path(parent) / repo.partition("/")[2], request).folder
    else:
        check_folder(Path(what))
        yield Path(what)


def check_folder(folder: Path) -> None:
    """See that a folder is a published one, and still as it was written.

    Raises:
        ConfigError: it is none.
        WeightsError: a file has changed.
    """
    if not (folder / CHECKSUMS_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise ConfigError(
            f"a folder to push must hold {WEIGHTS_FILE} and {CHECKSUMS_FILE}: {folder} does not; write it with "
            "nlcunet models publish"
        )
    sums = read_checksums(folder / CHECKSUMS_FILE)
    for name in sums:
        check_against(sums, folder, name, "publish it again")
