"""Every measure of the benchmark by its name: what it needs, in which unit, and which way is better.

One table, ``MEASURES``. A measure takes pictures as systems make them, rounds them to 8 bits, and gives one number a
picture. Those that compare with an original leave out a border of as many pixels as the scale.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nlcunet.degradations.pipeline import blur_and_shrink
from nlcunet.degradations.record import DegradationRecord
from nlcunet.errors import ConfigError, WeightsError
from nlcunet.evaluation.perceptual import LpipsNetwork, load_dists, load_effnet_lite0_distance, load_lpips
from nlcunet.metrics.consistency import consistency
from nlcunet.metrics.niqe import niqe
from nlcunet.metrics.planes import check_same_shape, crop_border
from nlcunet.metrics.psnr import psnr_rgb, psnr_y
from nlcunet.metrics.ssim import ssim_y
from nlcunet.tensors import round_to_8bit

PIXELS_AT_ONCE = 2**19
"""High-resolution pixels that go through a network at once: VGG16's first layers take about 1 GB for so many."""

Need: TypeAlias = Literal["truth", "low_res", "record"]
Better: TypeAlias = Literal["higher", "lower"]
Images = Float[Tensor, "batch 3 _ _"]
Scores = Float[Tensor, "batch"]


@dataclass(frozen=True, kw_only=True)
class MeasuredPairs:
    """What a measure looks at: a batch of outputs, and what belongs to them. Only what it needs is there."""

    outputs: Tensor
    """RGB in [0, 1], in steps of 1/255, batch × 3 × height × width."""
    truth: Tensor
    """The originals, likewise; empty if not needed."""
    low_res: Tensor
    """The inputs; empty if not needed."""
    records: Sequence[DegradationRecord]
    """How the inputs were made, one each; empty if not needed."""

    @property
    def border_px(self) -> int:
        """Pixels left out at each side: the scale."""
        return round(self.outputs.shape[-1] / self.low_res.shape[-1])


Compute: TypeAlias = Callable[[MeasuredPairs], Scores]


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """Where the weights of network-based measures lie; what is not measured needs none."""

    device: torch.device | str = "cpu"
    effnet_lite0_weights: Path | None = None
    """EfficientNet-Lite0's file; None takes that of the Python package."""
    lpips_network: LpipsNetwork = "alex"
    """What LPIPS looks through."""
    lpips_backbone_weights: Path | None = None
    """Torchvision's ``alexnet-owt-7be5be79.pth`` (or ``vgg16-397923af.pth``)."""
    lpips_linear_weights: Path | None = None
    """``lpips/weights/v0.1/alex.pth`` (or ``vgg.pth``) of the package ``lpips``."""
    dists_backbone_weights: Path | None = None
    """Torchvision's ``vgg16-397923af.pth``."""
    dists_weights: Path | None = None
    """``weights.pt`` of the package ``DISTS-pytorch``."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure, ready to use."""

    name: str
    """Key of ``MEASURES``."""
    unit: str
    """Unit of its numbers; empty if they have none."""
    better: Better
    needs: frozenset[Need]
    """What ``score`` must be given beside the output."""
    compute: Compute
    """The arithmetic; call ``score``."""

    def score(
        self,
        output: Float[Tensor, "*batch 3 height width"],
        truth: Float[Tensor, "*batch 3 true_height true_width"] | None = None,
        low_res: Float[Tensor, "*batch 3 low_height low_width"] | None = None,
        record: DegradationRecord | Sequence[DegradationRecord | None] | None = None,
    ) -> Float[Tensor, "*batch"]:
        """One number for each picture.

        Args:
            output: RGB, nominally in [0, 1]: one picture or a batch; clamped and rounded to 8 bits here.
            truth: The originals.
            low_res: The inputs that the outputs were made from.
            record: How the inputs were made: one for all, or one for each.

        Returns:
            Of a single picture a tensor without axes; on the CPU.

        Raises:
            ConfigError: If something is missing that the measure needs, or sizes do not match.
        """
        given: dict[Need, object] = {"truth": truth, "low_res": low_res, "record": record}
        batch = output.shape[:-3]
        count = max(batch.numel(), 1)
        records = [record] * count if record is None or isinstance(record, DegradationRecord) else list(record)
        known = [one for one in records if one is not None]
        missing = [need for need in ("truth", "low_res", "record") if need in self.needs and given[need] is None]
        if missing or ("record" in self.needs and len(known) != count):
            raise ConfigError(
                f"the measure {self.name} needs {' and '.join(sorted(self.needs))} of all {count} pictures: got none "
                f"of {', '.join(missing) or 'some records'}; leave it out"
            )
        nothing = output.new_zeros(0, 3, 0, 0)
        pairs = MeasuredPairs(
            outputs=_as_8bit_batch(output),
            truth=nothing if truth is None else _as_8bit_batch(truth),
            low_res=nothing if low_res is None else low_res.reshape(-1, *low_res.shape[-3:]),
            records=known,
        )
        if "truth" in self.needs:
            check_same_shape(pairs.outputs, pairs.truth)
        return self.compute(pairs).cpu().reshape(batch)


def _as_8bit_batch(images: Tensor) -> Tensor:
    return round_to_8bit(images.reshape(-1, *images.shape[-3:]))


# Arithmetic by name


def _psnr_y(pairs: MeasuredPairs) -> Scores:
    return psnr_y(pairs.outputs, pairs.truth, border=pairs.border_px)


def _ssim_y(pairs: MeasuredPairs) -> Scores:
    return ssim_y(pairs.outputs, pairs.truth, border=pairs.border_px)


def _psnr_rgb(pairs: MeasuredPairs) -> Scores:
    return psnr_rgb(pairs.outputs, pairs.truth, border=pairs.border_px)


def _consistency(pairs: MeasuredPairs) -> Scores:
    # One by one: some records of a batch may have no blur at all, and pictures in float64 are large.
    triples = zip(pairs.outputs, pairs.low_res, pairs.records, strict=True)
    scores = [
        consistency(output[None], low_res[None], partial(blur_and_shrink, record=record))
        for output, low_res, record in triples
    ]
    return torch.cat(scores)


def _niqe(pairs: MeasuredPairs) -> Scores:
    return niqe(pairs.outputs)


def _network_distance(network: nn.Module, device: torch.device | str) -> Compute:
    """A distance of networks as a measure: in float32, few pixels at once."""
    network = network.to(device)

    @torch.inference_mode()
    def compute(pairs: MeasuredPairs) -> Scores:
        outputs, truth = (crop_border(images, pairs.border_px).float() for images in (pairs.outputs, pairs.truth))
        at_once = max(1, PIXELS_AT_ONCE // outputs[0, 0].numel())
        pieces = zip(torch.split(outputs, at_once), torch.split(truth, at_once), strict=True)
        return torch.cat([network(output.to(device), true.to(device)).cpu() for output, true in pieces])

    return compute


def _effnet_lite0(options: MeasureOptions) -> Compute:
    return _network_distance(load_effnet_lite0_distance(options.effnet_lite0_weights), options.device)


def _lpips(options: MeasureOptions) -> Compute:
    backbone = _given(options.lpips_backbone_weights, "lpips", "lpips_backbone_weights", "alexnet-owt-7be5be79.pth")
    linear = _given(options.lpips_linear_weights, "lpips", "lpips_linear_weights", "lpips/weights/v0.1/alex.pth")
    return _network_distance(load_lpips(backbone, linear, options.lpips_network), options.device)


def _dists(options: MeasureOptions) -> Compute:
    backbone = _given(options.dists_backbone_weights, "dists", "dists_backbone_weights", "vgg16-397923af.pth")
    weights = _given(options.dists_weights, "dists", "dists_weights", "weights.pt")
    return _network_distance(load_dists(backbone, weights), options.device)


def _given(path: Path | None, measure: str, option: str, example: str) -> Path:
    if path is None:
        raise WeightsError(
            f"the measure {measure} needs published weights, {option} such as {example}: got none; docs/measures.md "
            "says where they are, effnet_lite0 needs none"
        )
    return path


# The table


@dataclass(frozen=True, kw_only=True)
class MeasureEntry:
    """How a measure is made."""

    unit: str
    better: Better
    needs: frozenset[Need]
    make: Callable[[MeasureOptions], Compute]
    """Loads what the measure looks through."""


_FULL_REFERENCE: frozenset[Need] = frozenset({"truth", "low_res"})

MEASURES: dict[str, MeasureEntry] = {
    "psnr_y": MeasureEntry(unit="dB", better="higher", needs=_FULL_REFERENCE, make=lambda _: _psnr_y),
    "ssim_y": MeasureEntry(unit="", better="higher", needs=_FULL_REFERENCE, make=lambda _: _ssim_y),
    "psnr_rgb": MeasureEntry(unit="dB", better="higher", needs=_FULL_REFERENCE, make=lambda _: _psnr_rgb),
    "consistency": MeasureEntry(
        unit="dB", better="higher", needs=frozenset({"low_res", "record"}), make=lambda _: _consistency
    ),
    "effnet_lite0": MeasureEntry(unit="", better="lower", needs=_FULL_REFERENCE, make=_effnet_lite0),
    "niqe": MeasureEntry(unit="", better="lower", needs=frozenset(), make=lambda _: _niqe),
    "lpips": MeasureEntry(unit="", better="lower", needs=_FULL_REFERENCE, make=_lpips),
    "dists": MeasureEntry(unit="", better="lower", needs=_FULL_REFERENCE, make=_dists),
}
"""Every measure by name; docs/measures.md describes them."""

DEFAULT_MEASURES = ("psnr_y", "ssim_y", "psnr_rgb")


def find_measures(
    names: Iterable[str] = DEFAULT_MEASURES, options: MeasureOptions | None = None
) -> tuple[Measure, ...]:
    """The measures of some names, weights loaded.

    Raises:
        ConfigError: A name is unknown or there twice.
        WeightsError: Weights are not named, missing or damaged.
    """
    wanted, chosen = list(names), options or MeasureOptions()
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        raise ConfigError(f"measures must be among {', '.join(MEASURES)}: got {', '.join(unknown)}")
    if len(set(wanted)) < len(wanted):
        raise ConfigError(f"each measure can be asked for once: got {', '.join(wanted)}")
    measures = []
    for name in wanted:
        entry = MEASURES[name]
        compute = entry.make(chosen)
        measures.append(Measure(name=name, unit=entry.unit, better=entry.better, needs=entry.needs, compute=compute))
    return tuple(measures)
