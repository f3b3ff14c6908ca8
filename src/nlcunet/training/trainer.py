"""The two training stages: what one step does, and everything a run has in memory.

Stage one, PSNR: pixel loss (L1). Stage two, GAN: pixel loss + perceptual + adversarial, from the averaged weights of
stage one, against a discriminator that is trained in turn, by its own optimiser. Paper: NLCUnet,
https://arxiv.org/abs/2307.12014, section on training; the two alternating steps are those of Real-ESRGAN,
https://arxiv.org/abs/2107.10833.

Nothing in a step waits for the device: whether a loss or gradient was finite is kept there too, and the optimiser skips
such a step by itself (``found_inf``, as PyTorch's own gradient scaler does it).
"""

import copy
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nlcunet.data.pairs import Pairs
from nlcunet.errors import ConfigError, TrainingError
from nlcunet.metrics.lattice import phase_deviation
from nlcunet.models.blind import BlindNetwork
from nlcunet.models.discriminator import DiscriminatorConfig, UNetDiscriminator
from nlcunet.models.own import OwnNetwork
from nlcunet.models.registry import Network, network_from_config
from nlcunet.training.adversarial import discriminator_loss, generator_loss, match_features, uses_real_logits
from nlcunet.training.blind import Restored, WithKernels, fidelity_terms, known_kernels, picture_of
from nlcunet.training.losses import PIXEL_LOSSES
from nlcunet.training.perceptual import PerceptualLoss, make_perceptual_loss
from nlcunet.training.processes import Processes
from nlcunet.training.recipe import GanRecipe, OptimRecipe, Recipe
from nlcunet.training.schedule import learning_rate, pixel_loss
from nlcunet.training.starting import clean_weights_of, load_initial_weights
from nlcunet.training.state import RunProgress, progress_to_dict, random_states, restore_random_states

MIN_COMPILED_STEPS = 1000
"""Shorter runs are over before the minutes that a compiler takes have paid."""


@dataclass
class Adversary:
    """What the second stage adds."""

    discriminator: UNetDiscriminator
    optimizer: torch.optim.Optimizer
    judge: Callable[[Tensor], Tensor]
    """The discriminator, gradients averaged over all processes."""
    perceptual: PerceptualLoss | None


@dataclass
class Trainer:
    """A run in progress: the networks, the optimisers and how far it has come."""

    recipe: Recipe
    processes: Processes
    network: Network
    average: Network
    optimizer: torch.optim.Optimizer
    forward: Callable[..., Restored]
    """The network with all that it estimates, possibly compiled, gradients averaged over all processes."""
    is_compiled: bool = False
    """Whether it will be compiled, which happens in the first step and takes minutes."""
    perceptual: PerceptualLoss | None = None
    """Loaded at the start, so that its absence shows then and not at the hand-over."""
    adversary: Adversary | None = None
    fidelity: str = ""
    """Name of the PSNR weights that the second stage starts from."""
    clean: str = ""
    """Name of the weights for clean pictures that a run on another degradation starts from."""
    progress: RunProgress = field(default_factory=RunProgress)
    first_failed: Tensor = field(default_factory=lambda: torch.tensor(-1))
    """On the device: number of the first step with a non-finite loss or gradient; -1 for none."""

    @property
    def gan(self) -> GanRecipe:
        """Settings of the second stage.

        Raises:
            ConfigError: the recipe has none.
        """
        if self.recipe.gan is None:
            raise ConfigError("the second stage needs a section gan in the recipe: found none")
        return self.recipe.gan

    @property
    def optim(self) -> OptimRecipe:
        """Optimiser settings of the present stage."""
        return self.gan.optim if self.adversary is not None else self.recipe.optim

    @property
    def stage_step(self) -> int:
        """Steps done in the present stage."""
        return self.progress.step - (self.recipe.optim.steps if self.adversary is not None else 0)

    @property
    def rate(self) -> float:
        """The learning rate of the next step, or of the last one of a stage that is over."""
        optim = self.optim
        return self.progress.lr_factor * learning_rate(optim, max(0, min(self.stage_step, optim.steps - 1)))

    def step(self, pairs: Pairs) -> dict[str, Tensor]:
        """One step of the present stage.

        Returns:
            Loss terms and norms of gradients, scalars on the device.
        """
        metrics = self._generator_step(pairs)[0] if self.adversary is None else self._gan_step(self.adversary, pairs)
        self.progress.step += 1
        self.progress.patches += self.optim.batch
        self._update_average()
        return metrics

    def check(self) -> int | None:
        """The first failed step since the last check, if any; waits for the device."""
        failed = int(self.first_failed.item())
        self.first_failed.fill_(-1)
        return failed if failed >= 0 else None

    def _generator_step(self, pairs: Pairs) -> tuple[dict[str, Tensor], Tensor]:
        """Loss, gradients, update; the loss terms and what was restored."""
        with self._autocast():
            answer = self.forward(*self._inputs(pairs))
        restored = picture_of(answer)
        terms = fidelity_terms(self.network, answer, pairs, PIXEL_LOSSES[pixel_loss(self.optim, self.stage_step)])
        loss = torch.stack(list(terms.values())).sum()
        if self.adversary is not None:
            terms.update(self._adversarial_terms(self.adversary, restored, pairs.high_res))
            gan = self.gan
            loss = gan.pixel_weight * loss
            for name, weight in _gan_weights(gan).items():
                loss = loss + weight * terms[name]
        norm = self._update(self.network, self.optimizer, loss, self.rate)
        metrics = {"loss": loss, "grad_norm": norm, **terms} if len(terms) > 1 else {"loss": loss, "grad_norm": norm}
        return {name: value.detach() for name, value in metrics.items()}, restored.detach()

    def _inputs(self, pairs: Pairs) -> tuple[Tensor, ...]:
        """What the network takes."""
        return _channels_last(pairs.low_res), *known_kernels(self.network, pairs.records, pairs.low_res.device)

    def _adversarial_terms(self, adversary: Adversary, restored: Tensor, high_res: Tensor) -> dict[str, Tensor]:
        """What the discriminator, the perceptual loss and the search for a lattice say of the restored patches."""
        kind, weights, judge = self.gan.adversarial, _gan_weights(self.gan), adversary.discriminator
        terms: dict[str, Tensor] = {}
        with _frozen(judge), self._autocast():
            fake = judge.features(_channels_last(restored))
            real_logits = None
            if uses_real_logits(kind) or "feature_matching" in weights:
                with torch.no_grad():
                    real = judge.features(_channels_last(high_res))
                    real_logits = judge.judge(real) if uses_real_logits(kind) else None
                if "feature_matching" in weights:
                    terms["feature_matching"] = match_features(fake, real)
            terms["adversarial"] = generator_loss(kind, judge.judge(fake), real_logits)
            if adversary.perceptual is not None:
                terms["perceptual"] = adversary.perceptual(restored, high_res)
        if "phase" in weights:
            terms["phase"] = phase_deviation(restored.float(), high_res, scale=self.recipe.scale).mean()
        return terms

    def _gan_step(self, adversary: Adversary, pairs: Pairs) -> dict[str, Tensor]:
        """The generator's step, then the discriminator's on what was restored."""
        gan, high_res = self.gan, pairs.high_res
        rate = self.rate * (1.0 if gan.discriminator_lr is None else gan.discriminator_lr / gan.optim.lr)
        metrics: dict[str, Tensor] = {}
        if self.stage_step < gan.discriminator_head_start:
            with torch.no_grad(), self._autocast():
                restored = self.network(*self._inputs(pairs))
        else:
            metrics, restored = self._generator_step(pairs)
        # Real and restored patches in one pass: one power iteration of the spectral norms per step.
        with self._autocast():
            logits = adversary.judge(_channels_last(torch.cat([high_res, restored.to(high_res.dtype)])))
        real_logits, fake_logits = logits.float().chunk(2)
        loss = discriminator_loss(gan.adversarial, real_logits, fake_logits)
        self._update(adversary.discriminator, adversary.optimizer, loss, rate)
        told = {"discriminator": loss, "real_logit": real_logits.mean(), "restored_logit": fake_logits.mean()}
        return {**metrics, **{name: value.detach() for name, value in told.items()}}

    def _update(self, module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> Tensor:
        """Gradients and an optimiser step, which is skipped where something is not finite; the gradient's norm."""
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        failed = self.processes.mean((~torch.isfinite(loss.detach() + norm)).float()) > 0
        is_first = failed & (self.first_failed < 0)
        self.first_failed = torch.where(is_first, self.progress.step, self.first_failed)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if self.optim.clip_norm is not None:
            # The fused optimiser divides gradients by this on the way; clipping them first would be one pass more.
            optimizer.grad_scale = (norm.float() / self.optim.clip_norm).clamp(min=1.0)  # type: ignore[attr-defined]
        optimizer.found_inf = failed.float()  # type: ignore[attr-defined]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return norm

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the running average towards the weights; early steps weigh more, so that it forgets the start."""
        step = self.stage_step
        decay = min(self.optim.ema_decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1.0 - decay)
        if isinstance(self.network, OwnNetwork):  # those here have none that change
            for average, latest in zip(self.average.buffers(), self.network.buffers(), strict=True):
                average.copy_(latest)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")


def make_trainer(recipe: Recipe, processes: Processes, *, is_resumed: bool = False) -> Trainer:
    """Networks and optimiser for a recipe, with fresh weights or those that it starts from.

    Raises:
        ConfigError: the weights are of another network than the recipe's.
        WeightsError: weights of the network or of the perceptual loss are missing or damaged.
    """
    config = recipe.network_config()
    with _seeded(recipe.seed):
        network = network_from_config(config)
    fidelity, clean, progress = recipe.name, "", RunProgress()
    if recipe.network.init is not None and not is_resumed:
        header = load_initial_weights(network, recipe.network.init)
        fidelity = recipe.name if recipe.optim.steps else header.name
        clean = clean_weights_of(header, recipe)
        progress.earlier_steps, progress.earlier_patches = header.steps, header.patches
        progress.earlier_seconds = 3600.0 * header.hours
    network = network.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = processes.wrap(WithKernels(network) if isinstance(network, BlindNetwork) else network)
    is_compiled = recipe.compile and recipe.total_steps >= MIN_COMPILED_STEPS and _can_compile(processes.device)
    trainer = Trainer(
        recipe=recipe,
        processes=processes,
        network=network,
        average=copy.deepcopy(network).eval().requires_grad_(requires_grad=False),
        optimizer=_make_optimizer(network, recipe.optim),
        forward=_compiled(forward, processes.device) if is_compiled else forward,
        is_compiled=is_compiled,
        perceptual=_make_perceptual(recipe, processes),
        fidelity=fidelity,
        clean=clean,
        progress=progress,
        first_failed=torch.tensor(-1, device=processes.device),
    )
    if recipe.optim.steps == 0:
        start_gan(trainer)
    return trainer


def start_gan(trainer: Trainer) -> None:
    """Hand over from stage one: the averaged weights, a fresh optimiser, and a fresh discriminator with its own."""
    gan = trainer.gan
    trainer.network.load_state_dict(trainer.average.state_dict())
    trainer.optimizer = _make_optimizer(trainer.network, gan.optim)
    with _seeded(trainer.recipe.seed + 1):
        discriminator = UNetDiscriminator(DiscriminatorConfig(width=gan.discriminator_width))
    discriminator.to(trainer.processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer.adversary = Adversary(
        discriminator,
        _make_optimizer(discriminator, gan.optim),
        trainer.processes.wrap(discriminator),
        trainer.perceptual,
    )


def trainer_state(trainer: Trainer) -> dict[str, Any]:
    """Everything the next step depends on."""
    state = {
        "network": trainer.network.state_dict(),
        "average": trainer.average.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "fidelity": trainer.fidelity,
        "clean": trainer.clean,
        "progress": progress_to_dict(trainer.progress),
        "random": random_states(),
    }
    if trainer.adversary is not None:
        state["discriminator"] = trainer.adversary.discriminator.state_dict()
        state["discriminator_optimizer"] = trainer.adversary.optimizer.state_dict()
    return state


def restore_trainer(trainer: Trainer, state: dict[str, Any]) -> None:
    """Put a saved state back in place.

    Raises:
        TrainingError: the state is of another network or recipe.
    """
    try:
        trainer.progress = RunProgress(**state["progress"])
        trainer.fidelity, trainer.clean = state["fidelity"], state.get("clean", "")
        if "discriminator" in state:
            start_gan(trainer)
        elif trainer.adversary is not None:
            trainer.adversary = None
            trainer.optimizer = _make_optimizer(trainer.network, trainer.recipe.optim)
        trainer.network.load_state_dict(state["network"])
        trainer.average.load_state_dict(state["average"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.adversary is not None:
            trainer.adversary.discriminator.load_state_dict(state["discriminator"])
            trainer.adversary.optimizer.load_state_dict(state["discriminator_optimizer"])
        restore_random_states(state["random"])
    except (RuntimeError, KeyError, TypeError, ValueError, ConfigError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"the state does not fit the recipe ({first_line}); resume with the recipe in the run folder, or start "
            "another run with --init"
        ) from error
    trainer.first_failed.fill_(-1)


def _compiled(forward: nn.Module, device: torch.device) -> Callable[..., Restored]:
    """The network compiled; on CUDA as recorded graphs too, because its kernels are shorter than their launches.

    On a CPU the compiler decides graph by graph whether convolutions are to be channels-last, and says no where it sees
    no convolution, as in the graph of the backward pass, which holds their gradients only. (Then it copies every input
    of a depth-wise convolution to rows × channels × columns, the order it reads off the weights, and the convolution
    copies it back.) The networks here are channels-last throughout, so it is told.
    """
    if device.type == "cuda":
        return torch.compile(forward, mode="reduce-overhead")
    return torch.compile(forward, options={"force_layout_optimization": True} if device.type == "cpu" else None)


def _can_compile(device: torch.device) -> bool:
    """Whether torch.compile has what it needs; warns where it has not."""
    compilers = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
    if device.type != "cpu" or any(shutil.which(name) for name in compilers):
        return True
    warnings.warn(
        "compile is ignored, and steps take longer: torch.compile needs a C++ compiler, and found none; install g++ or "
        "clang++",
        stacklevel=2,
    )
    return False


def _make_optimizer(module: nn.Module, optim: OptimRecipe) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=optim.lr, betas=optim.betas, fused=True)


def _make_perceptual(recipe: Recipe, processes: Processes) -> PerceptualLoss | None:
    if recipe.gan is None or recipe.gan.perceptual.weight == 0:
        return None
    settings = recipe.gan.perceptual
    loss = make_perceptual_loss(settings.backbone, settings.weights, settings.layer_weights)
    return loss.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _gan_weights(gan: GanRecipe) -> dict[str, float]:
    """The weights of the second stage's loss terms beside the pixel loss; those of 0 are left out."""
    weights = {
        "perceptual": gan.perceptual.weight,
        "feature_matching": gan.feature_matching_weight,
        "phase": gan.phase_weight,
    }
    return {"adversarial": gan.adversarial_weight} | {name: weight for name, weight in weights.items() if weight > 0}


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


@contextmanager
def _frozen(discriminator: nn.Module) -> Iterator[None]:
    """The discriminator as a fixed judge: no gradients for its weights, no power iteration of its spectral norms."""
    discriminator.eval().requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        discriminator.train().requires_grad_(requires_grad=True)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Fresh weights from a seed, the global generator as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
