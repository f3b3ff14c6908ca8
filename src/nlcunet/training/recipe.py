"""Recipes: everything that defines a training run, strictly checked. Reading them from YAML: `recipe_file`.

Keys are the field's own words, after the YAML files of BasicSR and its successors; unlike there, an unknown key is
refused, so that a typing error cannot silently change an experiment.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nlcunet.degradations.photo import PhotoPreset
from nlcunet.degradations.presets import find_preset
from nlcunet.errors import ConfigError
from nlcunet.models.kernel_conditioned import KernelConditionedConfig
from nlcunet.models.nlcunet import NLCUnetConfig
from nlcunet.models.own import OwnConfig
from nlcunet.models.registry import NetworkConfig, size_config
from nlcunet.training.adversarial import AdversarialKind
from nlcunet.training.losses import PixelLossKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NetworkRecipe(_Strict):
    """Which network to train."""

    size: str = "NLCUnet-S"
    """Named size: NLCUnet, NLCUnet-M, NLCUnet-S, or a baseline: DANv1, DANv2, DCLS, each also with -S; or a network of
    your own as package.module:Class, made with scale and the overrides as arguments."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of the network's configuration (as `NLCUnetConfig`) that differ from the named size."""
    kernel: Literal["none", "estimated", "known"] = "none"
    """What an NLCUnet is told of the blur kernel: nothing, as in the paper; its own estimate; or the true kernel. For
    experiments: weights that must be told the true one enlarge no photograph."""
    init: str | None = None
    """Weights to start from, by name or file; those of another scale fill all but the upsampler; null: at random."""


class DrawnRecipe(_Strict):
    """Drawn pictures (curves, hair, text, grids, façades, halftones, line art), mixed with the photographs."""

    ratio: float = Field(default=0.0, ge=0, le=1)
    """Share of patches that are cut from drawn pictures."""
    pictures: int = Field(default=256, ge=1)
    """How many are drawn at the start."""
    size_px: int = Field(default=512, ge=64)
    """Side of a drawn picture, in pixels."""


class DataRecipe(_Strict):
    """Which photographs, and how pairs of patches are made from them."""

    photographs: Path
    """Folder of sharp photographs, or of shards made by `nlcunet data pack`."""
    manifest: Path | None = None
    """CSV with the columns file, split (train, valid) and licence; null trains on every picture in the folder."""
    low_res: Path | None = None
    """Folder of low-resolution partners of the photographs, of the same names; null makes them by the degradation."""
    validation: Path | None = None
    """Folder of validation photographs; null takes the manifest's split valid, or holds out some of the photographs."""
    validation_low_res: Path | None = None
    """Folder of the partners of validation."""
    name: str = "photographs"
    """What the set is called in the header of the weights."""
    patch_px: int = Field(default=64, ge=4, multiple_of=4)
    """Side of a low-resolution patch."""
    crop: Literal["central", "random", "detail"] = "central"
    """Where patches lie: inside the central square (the paper), anywhere, or rather where there is detail."""
    central_px: int = Field(default=512, ge=16)
    """Side of the central square, in high-resolution pixels."""
    detail_power: float = Field(default=1.0, ge=0, le=8)
    """How strongly detail attracts crops of the kind detail; 0 is the same as random."""
    degradation: str = "isotropic"
    """Preset of `nlcunet.degradations.presets`: isotropic is the paper's setting 1, anisotropic setting 2."""
    drawn: DrawnRecipe = DrawnRecipe()
    placement: Literal["auto", "device", "workers"] = "auto"
    """Photographs in the memory of the device, or read by worker processes; auto looks at how much is free."""
    workers: int = Field(default=2, ge=0)
    """Worker processes, where they are used."""

    @model_validator(mode="after")
    def _has_both_of_pairs(self) -> "DataRecipe":
        if self.low_res is None and self.validation_low_res is not None:
            raise ValueError("data.validation_low_res needs data.low_res beside it: set both, or neither")
        if self.low_res is not None and (self.validation is None) != (self.validation_low_res is None):
            raise ValueError("with data.low_res, data.validation and data.validation_low_res must come together")
        if self.low_res is not None and self.drawn.ratio > 0:
            raise ValueError("drawn pictures have no low-resolution partners: set data.drawn.ratio to 0")
        return self


class OptimRecipe(_Strict):
    """Adam, its rate over time, and the running average of the weights."""

    steps: int = Field(ge=0)
    """Optimiser steps of the stage."""
    batch: int = Field(default=4, ge=1)
    """Patches per step, over all processes together."""
    loss: PixelLossKind = "l1"
    """Pixel loss: l1 (the paper), or l2, which is what PSNR measures."""
    l2_steps: int = Field(default=0, ge=0)
    """Over the last so many steps the pixel loss is l2, whatever it was before."""
    lr: float = Field(default=4e-4, gt=0)
    """Learning rate after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's decay rates."""
    warmup_steps: int = Field(default=0, ge=0)
    """The rate rises linearly over so many steps from the start."""
    milestones: tuple[int, ...] = ()
    """Steps at which the rate is halved (the paper's schedule)."""
    decay: Literal["linear", "cosine"] = "linear"
    """How the rate falls to zero over the last steps."""
    decay_steps: int = Field(default=0, ge=0)
    """The rate falls to zero over the last so many steps; 0: it does not."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; null: not clipped."""
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the running average of the weights, which is what gets validated and shipped."""

    def over_steps(self, steps: int) -> "OptimRecipe":
        """The same over another number of steps: warm-up, milestones, decay and L2 keep their shares of them."""
        if not self.steps:
            return self.model_copy(update={"steps": steps})
        names = ("warmup_steps", "decay_steps", "l2_steps")
        stretched = {name: round(getattr(self, name) * steps / self.steps) for name in names}
        milestones = tuple(round(milestone * steps / self.steps) for milestone in self.milestones)
        return self.model_copy(update={**stretched, "steps": steps, "milestones": milestones})


class PerceptualRecipe(_Strict):
    """The perceptual loss: distance between features of a network trained on ImageNet."""

    weight: float = Field(default=1.0, ge=0)
    """Weight of the loss; 0 leaves it out."""
    backbone: Literal["vgg19", "efficientnet-lite0"] = "vgg19"
    """vgg19 is the paper's and downloads 548 MB once; efficientnet-lite0 (Apache-2.0) comes with the extra train."""
    weights: str | None = None
    """File or URL of the backbone's weights; null takes the published ones."""
    layer_weights: dict[str, float] | None = None
    """Weight per layer; null takes the paper's, or for efficientnet-lite0 ours."""


class GanRecipe(_Strict):
    """The second stage: L1 + perceptual + adversarial, from the averaged weights of the first."""

    optim: OptimRecipe
    pixel_weight: float = Field(default=1.0, ge=0)
    """Weight of the pixel loss (the paper: L1)."""
    perceptual: PerceptualRecipe = PerceptualRecipe()
    adversarial: AdversarialKind = "vanilla"
    """Kind of adversarial loss: vanilla (the paper), hinge or relativistic."""
    adversarial_weight: float = Field(default=0.1, ge=0)
    """Weight of the adversarial loss."""
    feature_matching_weight: float = Field(default=0.0, ge=0)
    """Weight of the distance between the discriminator's features of restored and real patches (pix2pixHD)."""
    phase_weight: float = Field(default=0.0, ge=0)
    """Weight of the penalty on a lattice with the period of the pixel shuffle; see nlcunet.metrics.lattice."""
    discriminator_width: int = Field(default=64, ge=4)
    """Channels of the discriminator's first stage."""
    discriminator_head_start: int = Field(default=0, ge=0)
    """So many of the first steps train the discriminator alone, so that it does not mislead the generator."""
    discriminator_lr: float | None = Field(default=None, gt=0)
    """The discriminator's own learning rate; null: the generator's."""

    @model_validator(mode="after")
    def _has_steps(self) -> "GanRecipe":
        if self.optim.steps < 1:
            raise ValueError("gan.optim.steps must be at least 1; write gan: null to leave the stage out")
        if self.discriminator_head_start >= self.optim.steps:
            raise ValueError(
                f"gan.discriminator_head_start must be below gan.optim.steps, {self.optim.steps}, or the network is "
                f"never trained: got {self.discriminator_head_start}"
            )
        return self


class ValidationRecipe(_Strict):
    """How progress is measured while training."""

    every_steps: int = Field(default=1000, ge=1)
    """Validate, and save state, weights and a contact sheet, after so many steps."""
    pictures: int = Field(default=24, ge=1)
    """Validation pictures, spread evenly over the set; held out are at most a tenth of the photographs."""
    crop_px: int = Field(default=256, ge=64)
    """Side of the central crop of each, in high-resolution pixels; a multiple of 16 times the scale is wise."""


class LogRecipe(_Strict):
    """Where curves are drawn beside the run folder."""

    wandb: str | None = None
    """Project at Weights & Biases that gets curves, contact sheets and the recipe; null: none."""


class RecoveryRecipe(_Strict):
    """What happens when a loss or gradient is not finite: back to the last state, at a lower rate."""

    lr_factor: float = Field(default=0.5, gt=0, lt=1)
    """The rate is multiplied by this at every rollback, for the rest of the run."""
    max_rollbacks: int = Field(default=3, ge=0)
    """After so many the run ends with an error."""


class Recipe(_Strict):
    """One training run: the PSNR stage, and the GAN stage if the recipe has one."""

    name: str
    """Name of the weights, as 4x-NLCUnet-S; those of the GAN stage get -GAN at the end."""
    scale: Literal[2, 3, 4] = 4
    """Enlargement."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the initial weights and of every batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of convolutions; weights, optimiser and attention stay in float32."""
    compile: bool = False
    """Fuse the network with torch.compile, in runs of at least 1000 steps: minutes at the start, then faster steps;
    needs a C++ compiler on CPUs."""
    network: NetworkRecipe = NetworkRecipe()
    data: DataRecipe
    optim: OptimRecipe
    gan: GanRecipe | None = None
    validation: ValidationRecipe = ValidationRecipe()
    recovery: RecoveryRecipe = RecoveryRecipe()
    log: LogRecipe = LogRecipe()

    @property
    def total_steps(self) -> int:
        """Optimiser steps of both stages."""
        return self.optim.steps + (0 if self.gan is None else self.gan.optim.steps)

    def over_steps(self, steps: int) -> "Recipe":
        """The same run over another number of steps, of both stages together, its schedule stretched to them.

        Raises:
            ConfigError: a stage would have no step left.
        """
        first = self.optim.steps * steps // self.total_steps
        changes: dict[str, Any] = {"optim": self.optim.over_steps(first)}
        if self.gan is not None:
            head_start = self.gan.discriminator_head_start * (steps - first) // self.gan.optim.steps
            optim = self.gan.optim.over_steps(steps - first)
            changes["gan"] = self.gan.model_copy(update={"optim": optim, "discriminator_head_start": head_start})
        if (self.optim.steps and not first) or (self.gan is not None and steps == first):
            raise ConfigError(f"each stage of {self.name} must have a step: {steps} are too few; train for more")
        return self.model_copy(update=changes)

    def network_config(self) -> NetworkConfig:
        """The configuration of the network to train.

        Raises:
            ConfigError: the size is unknown or an override does not fit.
        """
        overrides: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in self.network.overrides.items()
        }
        config = size_config(self.network.size, self.scale)
        if isinstance(config, OwnConfig):
            return replace(config, arguments=self.network.overrides)
        try:
            config = replace(config, **overrides)
        except TypeError as error:
            raise ConfigError(f"network.overrides must name fields of {type(config).__name__}: {error}") from error
        return config if self.network.kernel == "none" else self._kernel_config(config)

    def _kernel_config(self, config: NetworkConfig) -> KernelConditionedConfig:
        """The configuration of a network that is told the kernel; kernels are those of the degradation."""
        preset = find_preset(self.data.degradation, self.scale)
        if not isinstance(config, NLCUnetConfig):
            raise ConfigError(f"network.kernel must be none for all but NLCUnet: got {self.network.kernel}")
        if self.data.low_res is not None or isinstance(preset, PhotoPreset):
            what = "pairs of pictures" if self.data.low_res is not None else f"the degradation {self.data.degradation}"
            raise ConfigError(
                f"network.kernel must be none where no single kernel is known: {what} cannot say it; train on "
                "isotropic, anisotropic or diverse"
            )
        return KernelConditionedConfig(**vars(config), kernel=self.network.kernel)
