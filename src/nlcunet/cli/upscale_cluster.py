"""``nlcunet upscale`` with URLs or on a cluster."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nlcunet.cli.reporting import Reporter
from nlcunet.cluster.choice import ModelChoice
from nlcunet.errors import ConfigError, install_extra
from nlcunet.inference.jobs import fill_pattern, suffix_for
from nlcunet.inference.settings import BatchSettings

if TYPE_CHECKING:
    from nlcunet.cluster.run import Batch, Cluster
    from nlcunet.cluster.work import Setup
    from nlcunet.cluster.workers import WorkerPlan


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What to read and write; the options of the command line that say so."""

    inputs: Sequence[str]
    output: str | None
    recursive: bool
    suffix: str | None
    file_format: str | None
    manifest: str | None
    pattern: str | None


def upscale_on_cluster(
    naming: Naming,
    choice: ModelChoice,
    settings: BatchSettings,
    *,
    ray: str | None,
    workers: int | None,
    as_json: bool,
    reporter: Reporter,
) -> None:
    """Enlarge pictures behind URLs in this process, or on the cluster at the address ``ray``.

    Raises:
        NlcunetError: it could not start.
        Exit: some pictures failed.
    """
    try:
        from nlcunet.cluster.run import Cluster, plan_batch
        from nlcunet.cluster.work import Setup
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"URLs and --ray need a library that is missing ({error.name}): {install_extra('ray')}"
        ) from error

    if ray is None and workers is not None:
        raise ConfigError("--ray-workers belongs to --ray: add --ray auto, or drop it")
    header, model = choice.check(settings.request)
    batch = plan_batch(
        naming.inputs,
        naming.output,
        recursive=naming.recursive,
        file_format=naming.file_format,
        suffix=naming.suffix,
        size_suffix=suffix_for(settings.request, header.scale),
        overwrite=settings.overwrite,
        pattern=None if naming.pattern is None else fill_pattern(naming.pattern, settings.request, header.scale),
        manifest=naming.manifest,
    )
    for name in batch.left_out:
        reporter.note(f"{name}: left out, it is the result of another input")
    if batch.passed_over is not None:
        reporter.note(batch.passed_over)
    facts = choice.facts(settings.request, model)
    setup = Setup(choice=choice, model=model, settings=settings, folder=str(Path.cwd()), facts=facts)
    cluster = None if ray is None else Cluster(address=ray, workers=workers, shows_output=reporter.is_verbose)
    if not _run(batch, setup, cluster, reporter, as_json=as_json):
        raise typer.Exit(1)


def _run(batch: "Batch", setup: "Setup", cluster: "Cluster | None", reporter: Reporter, *, as_json: bool) -> bool:
    """Enlarge; whether nothing failed."""
    from nlcunet.cluster.run import run_batch

    records = sys.stdout
    with _rays_output(is_verbose=reporter.is_verbose), reporter.following(len(batch.orders)) as follow:

        def on_workers(workers: "WorkerPlan", is_started_here: bool) -> None:
            for sentence in _sentences(workers, is_started_here=is_started_here):
                reporter.note(sentence)

        for outcome in run_batch(batch, setup, cluster, on_workers=on_workers):
            follow.end_job()
            if as_json:
                typer.echo(json.dumps(outcome.as_json()), file=records)  # with node and attempts
            reporter.tell(outcome.record)
    if batch.manifest is not None and reporter.is_verbose:
        reporter.note(f"the manifest is {batch.manifest}")
    return reporter.finish()


@contextmanager
def _rays_output(*, is_verbose: bool) -> Iterator[None]:
    """Keep what Ray prints out of standard output, which is for records; it tells of lost workers in long excerpts."""
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(sys.stderr if is_verbose else nowhere),
    ):
        yield


def _sentences(workers: "WorkerPlan", *, is_started_here: bool) -> list[str]:
    """What to tell of the workers before the first picture comes back."""
    number = min(workers.count, workers.room)
    each = f", {workers.threads} threads each" if workers.threads is not None and workers.threads > 1 else ""
    where = "a Ray cluster started here" if is_started_here else "a running Ray cluster"
    sentences = [f"{number} {'worker' if number == 1 else 'workers'} on {workers.device}{each}, on {where}"]
    if workers.count > workers.room:
        sentences.append(
            f"{workers.count} workers were asked for; the others start when machines join, or when --threads is less"
        )
    return sentences
