"""From a recipe to weights: both stages, validation, saving, stopping, going on.

On the CPU a resumed run equals an uninterrupted one bit for bit: patches and learning rate are functions of the step,
and everything else is in the state.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from nlcunet.data.loading import PairSource
from nlcunet.errors import ConfigError, NlcunetError, TrainingError
from nlcunet.files.locks import try_lock
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import Recipe
from nlcunet.training.run_folder import LOCK_FILE, Report, RunFolder
from nlcunet.training.sources import TrainingData, changed_photographs, load_training_data, make_stage_source
from nlcunet.training.state import has_state, load_state, save_state
from nlcunet.training.stopping import Stopping, stopping
from nlcunet.training.trainer import Trainer, make_trainer, restore_trainer, start_gan, trainer_state
from nlcunet.training.validation import Validation, ValidationPair, make_validation_pairs, validate

CHECK_STEPS_ON_ACCELERATOR = 50
"""So often the host asks a GPU whether all was finite; in between it runs ahead."""


@dataclass(frozen=True, kw_only=True)
class TrainingListener:
    """Who is told what, in the first process."""

    on_start: Callable[[Trainer, TrainingData], None] = lambda _trainer, _data: None
    on_step: Callable[[Trainer], None] = lambda _trainer: None
    on_report: Callable[[Report], None] = lambda _report: None
    on_note: Callable[[str], None] = lambda _text: None


@dataclass
class _Means:
    """Running means of a step's metrics, kept on the device."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Add one step."""
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value.float() if name in self.sums else value.float()
            self.counts[name] += 1

    def take(self, processes: Processes) -> dict[str, float]:
        """The means over all processes, then start again."""
        means = {name: float(processes.mean(total / self.counts[name])) for name, total in self.sums.items()}
        self.sums, self.counts = {}, Counter()
        return means


@dataclass
class _Run:
    """One sitting: what the functions below share."""

    trainer: Trainer
    data: TrainingData
    pairs: tuple[ValidationPair, ...]
    source: PairSource
    folder: RunFolder | None
    path: Path
    piece_bytes: int | None
    listener: TrainingListener
    means: _Means = field(default_factory=_Means)
    clock: float = field(default_factory=time.monotonic)
    since_report: tuple[float, int] = (0.0, 0)
    """Seconds of the run and patches at the last report."""
    report_seconds: float = 0.0
    """How long the last validation and save took."""

    def tick(self) -> None:
        """Bring the run's clock up to date."""
        now = time.monotonic()
        self.trainer.progress.seconds += now - self.clock
        self.clock = now


def train(
    recipe: Recipe,
    run_folder: Path,
    *,
    processes: Processes,
    resume: bool = False,
    max_seconds: float = math.inf,
    piece_bytes: int | None = None,
    listener: TrainingListener | None = None,
) -> Path:
    """Run a recipe to its last step, or until time is up or somebody asks to stop; the state is saved either way.

    Args:
        recipe: what to do.
        run_folder: gets everything: see `run_folder`; made when missing.
        processes: where to train: `nlcunet.training.processes.start_processes`.
        resume: go on from the state in ``run_folder``.
        max_seconds: stop cleanly and save, so that all is over after so long.
        piece_bytes: write the state in pieces of at most so many bytes.
        listener: who is told of progress.

    Returns:
        Path of the weights of the last stage that ran (the running average, with their header).

    Raises:
        ConfigError: the run folder holds another run, or nothing to resume.
        DataError: the photographs cannot be used.
        TrainingError: losses stay non-finite, or the state cannot be read or written.
    """
    begin = time.monotonic()
    listener = listener or TrainingListener()
    _check_folder(run_folder, resume=resume)
    lock = _lock(run_folder) if processes.is_first else nullcontext()
    with lock:
        _check_folder(run_folder, resume=resume)
        return _train(
            recipe,
            run_folder,
            processes=processes,
            resume=resume,
            end=begin + max_seconds,
            piece_bytes=piece_bytes,
            listener=listener,
        )


def _check_folder(run_folder: Path, *, resume: bool) -> None:
    """Refuse a folder that holds another run, or nothing to go on with."""
    if has_state(run_folder) and not resume:
        raise ConfigError(f"{run_folder} already holds a run: add --resume to go on with it, or choose another folder")
    if resume and not has_state(run_folder):
        raise ConfigError(f"{run_folder} must hold a state.json to resume: found none")


@contextmanager
def _lock(run_folder: Path) -> Iterator[None]:
    """Hold a run folder, so that no other program trains into it."""
    try:
        run_folder.mkdir(parents=True, exist_ok=True)
        lock = try_lock(run_folder / LOCK_FILE)
    except OSError as error:
        raise TrainingError(
            f"the run folder must be writable: {run_folder} is not ({error.strerror}); choose another with --run"
        ) from error
    if lock is None:
        raise ConfigError(
            f"one program at a time may train into {run_folder}: another one is at it; wait for it or stop it, or "
            "choose another folder with --run"
        )
    try:
        yield
    finally:
        lock.release()


def _train(
    recipe: Recipe,
    run_folder: Path,
    *,
    processes: Processes,
    resume: bool,
    end: float,
    piece_bytes: int | None,
    listener: TrainingListener,
) -> Path:
    """What ``train`` does, in a folder that it holds; ``end`` is when all must be over, by the clock."""
    processes.share(recipe.optim.batch)
    trainer = make_trainer(recipe, processes, is_resumed=resume)
    notes: list[str] = []
    state = load_state(run_folder, notes.append) if resume else {}
    if resume:
        restore_trainer(trainer, state)
    data = load_training_data(recipe)
    if "photographs" in state and (change := changed_photographs(state["photographs"], data.names)) is not None:
        notes.append(change)
    del state
    run = _Run(
        trainer=trainer,
        data=data,
        pairs=make_validation_pairs(data.validation, recipe, data.validation_low_res)
        if processes.is_first and data.validation
        else (),
        source=make_stage_source(trainer, data),
        folder=RunFolder(run_folder, recipe, trainer.progress.step, listener.on_note) if processes.is_first else None,
        path=run_folder,
        piece_bytes=piece_bytes,
        listener=listener,
    )
    for note in notes:
        _tell(run, note)
    if run.folder is not None and recipe.optim.steps == 0 and not resume:
        run.folder.keep_fidelity_weights(trainer)
    run.since_report = (trainer.progress.seconds, trainer.progress.patches)
    run.listener.on_start(trainer, data)
    try:
        with stopping(end - time.monotonic()) as stop:
            if not resume:
                _report(run, must_save=True)  # a folder that cannot be written shows now, and not after an hour
            weights = _run_to_end(run, stop)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{run_folder} could not be written: {error}; free some space, and --resume") from error
    finally:
        run.source.close()
        if run.folder is not None:
            run.folder.close()
    processes.wait()
    return weights or _weights_path(run)


def _run_to_end(run: _Run, stop: Stopping) -> Path | None:
    """Step by step; the weights last written."""
    trainer, recipe = run.trainer, run.trainer.recipe
    check_steps = 1 if trainer.processes.device.type == "cpu" else CHECK_STEPS_ON_ACCELERATOR
    weights = None
    # Until the first step is done, the state on the disk is all there is, and the compiler may take minutes.
    stop.is_at_once = trainer.is_compiled and trainer.processes.count == 1
    if trainer.is_compiled:
        run.listener.on_note("compiling the network: the first step takes minutes, all others less (compile: false)")
    while True:
        progress = trainer.progress
        if trainer.adversary is None and progress.step >= recipe.optim.steps and recipe.gan is not None:
            _hand_over(run)
        if progress.step >= recipe.total_steps:
            return weights
        try:
            run.means.add(trainer.step(run.source.pairs(trainer.stage_step)))
        except KeyboardInterrupt:
            if not stop.is_at_once:
                raise
            _tell_stopped(run)
            return weights
        except Exception:
            # Ctrl-C reaches the compiler that torch.compile has started, too; the step has changed nothing by then.
            if stop.signal_number is None or not recipe.compile:
                raise
            weights = _report(run, must_save=True)
            _tell_stopped(run)
            return weights
        stop.is_at_once = False
        run.tick()
        run.listener.on_step(trainer)
        ends_stage = progress.step in {recipe.optim.steps, recipe.total_steps}
        is_due = ends_stage or progress.step % recipe.validation.every_steps == 0
        if is_due or progress.step % check_steps == 0:
            if (failed := trainer.check()) is not None:
                _roll_back(run, failed)
                continue
            must_stop = trainer.processes.any(stop.is_due(1.2 * run.report_seconds))
            if is_due or must_stop:
                weights = _report(run, must_save=must_stop or progress.step == recipe.total_steps)
            if must_stop:
                _tell_stopped(run)
                return weights


def _hand_over(run: _Run) -> None:
    start_gan(run.trainer)
    run.source.close()
    run.source = make_stage_source(run.trainer, run.data)
    _tell(run, "the second stage begins: L1, perceptual and adversarial loss, from the averaged weights of the first")


def _report(run: _Run, *, must_save: bool) -> Path | None:
    """Validate, save state and weights, and tell; the path of the weights, in the first process."""
    trainer, processes = run.trainer, run.trainer.processes
    metrics = run.means.take(processes)
    run.tick()
    started = time.monotonic()
    if run.folder is None:
        processes.wait()
        return None
    validation = validate(trainer.average, run.pairs, trainer.recipe.scale, processes.device) if run.pairs else None
    report = _make_report(run, metrics, validation)
    weights = None
    try:
        _save(run)
        weights = run.folder.save_weights(trainer, run.data.source, report.psnr_y)
        run.folder.report(report, None if validation is None else validation.sheet)
    except (NlcunetError, OSError) as error:
        if must_save:
            raise
        run.listener.on_note(f"{error} (training goes on and tries again at the next validation)")
    run.listener.on_report(report)
    run.report_seconds = time.monotonic() - started
    run.tick()
    run.since_report = (trainer.progress.seconds, trainer.progress.patches)
    processes.wait()
    return weights


def _save(run: _Run) -> None:
    """Write the state: everything the next step depends on, and what tells whether it still depends on the same."""
    state = trainer_state(run.trainer)
    state |= {"photographs": run.data.names, "recipe": run.trainer.recipe.model_dump(mode="json")}
    save_state(run.path, state, run.trainer.progress.step, piece_bytes=run.piece_bytes)


def _make_report(run: _Run, metrics: dict[str, float], validation: Validation | None) -> Report:
    progress = run.trainer.progress
    seconds, patches = progress.seconds - run.since_report[0], progress.patches - run.since_report[1]
    return Report(
        step=progress.step,
        patches=progress.patches,
        seconds=progress.seconds,
        stage="psnr" if run.trainer.adversary is None else "gan",
        learning_rate=run.trainer.rate,
        psnr_y=math.nan if validation is None else validation.psnr_y,
        patches_per_second=patches / seconds if patches > 0 and seconds > 0 else math.nan,
        metrics=metrics,
    )


def _roll_back(run: _Run, failed: int) -> None:
    """After a non-finite loss or gradient: keep the batch for a look, go back to the last state, lower the rate."""
    trainer, recovery = run.trainer, run.trainer.recipe.recovery
    rollbacks, factor = trainer.progress.rollbacks + 1, trainer.progress.lr_factor * recovery.lr_factor
    seconds = trainer.progress.seconds
    where = _keep_batch(run, failed)
    what = f"the loss or its gradient was not finite at step {failed}: its batch is in {where}"
    if rollbacks > recovery.max_rollbacks:
        raise TrainingError(
            f"{what}; this was rollback number {rollbacks}, recovery.max_rollbacks is {recovery.max_rollbacks}: look "
            "at the batch, lower optim.lr or set optim.clip_norm, then --resume"
        )
    had_adversary = trainer.adversary is not None
    restore_trainer(trainer, load_state(run.path, lambda text: _tell(run, text)))
    if had_adversary and trainer.adversary is None:
        run.source.close()
        run.source = make_stage_source(trainer, run.data)
    run.means = _Means()
    trainer.processes.wait()  # until everybody has read the state
    trainer.progress.rollbacks, trainer.progress.lr_factor = rollbacks, factor
    trainer.progress.seconds = seconds
    if run.folder is not None:
        _save(run)
    trainer.processes.wait()
    _tell(run, f"{what}; back to step {trainer.progress.step}, the learning rate is now {factor:g} of the recipe's")


def _keep_batch(run: _Run, failed: int) -> Path:
    """Write the batch of a failed step; batches are functions of the step, so it is drawn again."""
    trainer = run.trainer
    first = trainer.progress.step - trainer.stage_step
    pairs = run.source.pairs(failed - first)
    path = run.path / f"failed-step-{failed:08d}-process-{trainer.processes.rank}.safetensors"
    save_file({"low_res": pairs.low_res.cpu().contiguous(), "high_res": pairs.high_res.cpu().contiguous()}, path)
    return path


def _tell(run: _Run, text: str) -> None:
    if run.folder is not None:
        run.folder.note(run.trainer.progress.step, text)
        run.listener.on_note(text)


def _tell_stopped(run: _Run) -> None:
    step = run.trainer.progress.step
    _tell(run, f"stopped at step {step}, all is saved: nlcunet train --run {run.path} --resume")


def _weights_path(run: _Run) -> Path:
    ending = "" if run.trainer.adversary is None else "-GAN"
    return run.path / f"{run.trainer.recipe.name}{ending}.safetensors"
