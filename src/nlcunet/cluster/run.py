"""A batch from its inputs to its manifest: in this process, or on a cluster."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nlcunet.cluster.connection import connected, import_ray
from nlcunet.cluster.flow import outcomes_on_cluster, outcomes_over_client
from nlcunet.cluster.manifest import FILE_NAME, BatchManifest
from nlcunet.cluster.places import Places, check_target, existing, is_url, with_urls, without_file_protocol
from nlcunet.cluster.work import Outcome, RemoteJob, Setup, enlarge, node_name
from nlcunet.cluster.workers import WorkerPlan, plan_workers
from nlcunet.errors import ConfigError, DeviceError
from nlcunet.inference.batch import Record, Status
from nlcunet.inference.jobs import PIPE, plan_jobs
from nlcunet.inference.results import EarlierResult, ResultFiles

GIVEN_UP_AFTER = 5
"""Pictures in a row that a store did not give or take, each in spite of several tries."""


@dataclass(frozen=True)
class Batch:
    """What there is to do.

    Attributes:
        orders: one for each picture, numbered from 0.
        left_out: inputs that are results of other inputs.
        passed_over: how many files were no pictures, in words; nothing if all were.
        manifest: URL or path of the manifest; nothing if there is to be none.
    """

    orders: tuple[RemoteJob, ...]
    left_out: tuple[str, ...] = ()
    passed_over: str | None = None
    manifest: str | None = None


def plan_batch(
    inputs: Iterable[str],
    output: str | None,
    *,
    recursive: bool = False,
    file_format: str | None = None,
    suffix: str | None = None,
    size_suffix: str = "",
    pattern: str | None = None,
    overwrite: bool = False,
    manifest: str | None = None,
) -> Batch:
    """The orders for these inputs, by the rules of ``plan_jobs``, whose arguments these are; inputs may be URLs.

    Args:
        inputs: URLs, files, folders and patterns.
        output: a folder, or a file for one input; beside the inputs if missing.
        recursive: search folders within folders.
        file_format: format of the results.
        suffix: put behind the name of every result.
        size_suffix: the suffix where none is given and the result lies beside its input.
        pattern: name of every result instead of a suffix.
        overwrite: whether results will replace what is there.
        manifest: where the manifest goes; by default into the output, if that is a folder.

    Raises:
        ConfigError: there is nothing to do, a store does not answer, or the output does not fit.
    """
    names, places = list(inputs), Places()
    if PIPE in names or output == PIPE:
        raise ConfigError("a batch with URLs or --ray takes no pipes: name files, folders or URLs instead of -")
    output = None if output is None else without_file_protocol(output)
    try:
        plan = plan_jobs(
            names,
            output,
            recursive=recursive,
            file_format=file_format,
            suffix=suffix,
            size_suffix=size_suffix,
            pattern=pattern,
            overwrite=overwrite,
            find=partial(places.find, recursive=recursive),
        )
    except ConfigError as error:
        raise ConfigError(with_urls(str(error))) from error
    orders = tuple(
        RemoteJob(number, places.name_of(job.source), places.name_of(job.target), job.file_format)
        for number, job in enumerate(plan.jobs)
        if job.source is not None and job.target is not None
    )
    for folder in {order.target.rpartition("/")[0] for order in orders if is_url(order.target)}:
        check_target(folder)
    if manifest is None and output is not None and all(Path(order.target) != Path(output) for order in orders):
        manifest = f"{output.rstrip('/')}/{FILE_NAME}"
    left_out = tuple(places.name_of(path) for path in plan.left_out)
    manifest = None if manifest is None else without_file_protocol(manifest)
    return Batch(orders, left_out, plan.passed_over_in_words(), manifest)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a batch runs."""

    address: str
    workers: int | None = None
    shows_output: bool = False


def run_batch(
    batch: Batch,
    setup: Setup,
    cluster: Cluster | None,
    *,
    on_workers: Callable[[WorkerPlan, bool], None] = lambda *_: None,
) -> Iterator[Outcome]:
    """Enlarge all that is not there yet; one outcome for each order, those that are skipped first.

    Raises:
        NlcunetError: it could not start. What ends a batch that has begun is told as failures of what was left.
    """
    manifest = BatchManifest(batch.manifest)
    manifest.save()  # what cannot be written is better known now
    findings = _look(batch.orders, setup)
    to_do = [order for order in batch.orders if not findings[order.number].is_finished]
    try:
        for order in batch.orders:
            if findings[order.number].is_finished:
                record = replace(_record(order, "skipped"), notes=findings[order.number].notes)
                outcome = Outcome(number=order.number, record=record)
                manifest.add(outcome)
                yield outcome
        if to_do:
            with closing(_told(to_do, setup, cluster, on_workers)) as outcomes:
                for outcome in outcomes:
                    notes = (*findings[outcome.number].notes, *outcome.record.notes)
                    noted = replace(outcome, record=replace(outcome.record, notes=notes))
                    manifest.add(noted)
                    yield noted
    finally:
        manifest.save()


def _look(orders: Sequence[RemoteJob], setup: Setup) -> dict[int, EarlierResult]:
    """Which results are there already, by the numbers of their orders."""
    if setup.settings.overwrite:
        return {order.number: EarlierResult(is_finished=False) for order in orders}
    results, here = ResultFiles(setup.facts), Path(setup.folder)
    local = {order.number for order in orders if not is_url(order.source) and not is_url(order.target)}
    there = existing(order.target for order in orders if order.number not in local)
    return {
        order.number: results.look(here / order.target, here / order.source, setup.settings)
        if order.number in local
        else EarlierResult(is_finished=order.target in there)
        for order in orders
    }


def _told(
    orders: Sequence[RemoteJob], setup: Setup, cluster: Cluster | None, on_workers: Callable[[WorkerPlan, bool], None]
) -> Generator[Outcome, None, None]:
    """Outcomes of all orders; where the work ends early, failures of what is left."""
    left, in_a_row = {order.number: order for order in orders}, 0
    reason = "it was handed out and did not come back"
    run = _run_here(orders, setup) if cluster is None else _run_there(orders, setup, cluster, on_workers)
    try:
        with closing(run):
            for outcome in run:
                del left[outcome.number]
                yield outcome
                in_a_row = in_a_row + 1 if outcome.record.is_store_down else 0
                if in_a_row == GIVEN_UP_AFTER:
                    reason = f"the store did not answer for {in_a_row} pictures in a row"
                    break
    except DeviceError as error:
        if len(left) == len(orders):
            raise
        reason = str(error)
    for order in left.values():
        record = replace(_record(order, "failed"), error=f"was not done: {reason}; run the same command again")
        yield Outcome(number=order.number, record=record)


def _record(order: RemoteJob, status: Status) -> Record:
    return Record(input=order.source, output=order.target, status=status)


def _run_here(orders: Sequence[RemoteJob], setup: Setup) -> Generator[Outcome, None, None]:
    upscaler, results, node = setup.open(), ResultFiles(setup.facts), node_name()
    for order in orders:
        record = enlarge(order, upscaler, setup, results)
        yield Outcome(number=order.number, record=record, node=node, attempts=1)


def _run_there(
    orders: Sequence[RemoteJob], setup: Setup, cluster: Cluster, on_workers: Callable[[WorkerPlan, bool], None]
) -> Generator[Outcome, None, None]:
    """On a cluster, with workers that fit it."""
    ray = import_ray()
    with connected(cluster.address, log_to_driver=cluster.shows_output) as connection:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        settings = setup.choice.settings
        plan = partial(plan_workers, machines, device=str(settings.device), threads=settings.threads)
        workers = plan(count=cluster.workers)
        if workers.count > len(orders):
            workers = plan(count=len(orders))  # each may take more cores then
        on_workers(workers, connection.is_started_here)
        settings = replace(settings, device=workers.device, threads=workers.threads)
        setup = replace(setup, choice=replace(setup.choice, settings=settings))
        flow = outcomes_over_client if connection.is_client else outcomes_on_cluster
        yield from flow(orders, setup, workers)
