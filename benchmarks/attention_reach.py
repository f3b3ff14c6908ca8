"""Which pixels does attention use, and how far away are they?

Run: ``python benchmarks/attention_reach.py PICTURES [-m 4x-NLCUnet-S] [--figure reach.svg]``. Every picture is blurred
and reduced (setting 1, sigma 2.6 px), and enlarged; in every attention of the network the weight that each token gives
to each other is taken as it is used: attention is linear in its values, so that values which are one for one token and
zero for all others give the weights themselves. Told for each block: the share of weight within some distances (in
low-resolution pixels), beside that of looking everywhere alike; how many tokens share the weight (the exponential of
its entropy); and the change of PSNR on Y when this block attends to nothing but its own input.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import find_preset, fixed_records
from nlcunet.evaluation.originals import find_originals, read_original
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.attention import NonLocalAttention
from nlcunet.models.nlcunet import NLCUnet
from nlcunet.models.weights import load_model

SIDE_PX = 512
"""Largest side of an original: its centre is taken, so that all weights fit into memory."""
DISTANCES_PX = (4, 8, 16, 32, 64)
SIGMA_PX = 2.6
STEPS = {"encoder1": 1, "encoder2": 2, "latent": 4, "decoder1": 2, "decoder2": 1, "refinement": 1}
"""Low-resolution pixels from one token to the next, by stage."""


@dataclass(frozen=True)
class Reach:
    """What one block does on one picture."""

    within: tuple[float, ...]
    """Share of the weight within each distance."""
    alike: tuple[float, ...]
    """The same, if every token had the same weight."""
    tokens: float
    """How many tokens share the weight."""
    loss_db: float
    """PSNR lost without this block's attention."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-m", "--model", default="4x-NLCUnet-S")
    parser.add_argument("--figure", type=Path, help="draw the shares, as SVG, PNG or PDF")
    options = parser.parse_args()
    network = load_model(options.model).network
    if not isinstance(network, NLCUnet):
        raise SystemExit(f"{options.model} must be weights of NLCUnet")
    blocks = {name: module for name, module in network.named_modules() if isinstance(module, NonLocalAttention)}
    found: dict[str, list[Reach]] = {name: [] for name in blocks}
    for path in find_originals(options.pictures):
        high_res, low_res = make_pair(path, network.config.scale)
        whole = quality(network, low_res, high_res)
        for name, block in blocks.items():
            with recorded(block) as seen:
                network(low_res)
            step = STEPS[name.split(".")[0]]
            size = tuple(side // step for side in low_res.shape[-2:])
            with silenced(block):
                loss = whole - quality(network, low_res, high_res)
            found[name].append(measure(seen[0], size, step, loss))
    print_table(found)
    if options.figure is not None:
        draw(found, options.figure)


def make_pair(path: Path, scale: int) -> tuple[Tensor, Tensor]:
    """The centre of an original, and its blurred and reduced copy."""
    original = read_original(path, 4 * scale)
    height, width = (min(side, SIDE_PX) // (4 * scale) * 4 * scale for side in original.shape[-2:])
    top, left = (original.shape[-2] - height) // 2, (original.shape[-1] - width) // 2
    high_res = original[..., top : top + height, left : left + width].float()
    record = next(one for one in fixed_records(find_preset("gaussian8", scale)) if abs(one.sigma_px - SIGMA_PX) < 0.01)
    return high_res, apply_records(high_res, [record])


@contextmanager
def recorded(block: NonLocalAttention) -> Iterator[list[Tensor]]:
    """Notes the weights of one attention: ``tokens tokens``, rows sum to 1."""
    seen: list[Tensor] = []
    attend = block.attend

    def note(queries: Tensor, values: Tensor) -> Tensor:
        each = torch.eye(queries.shape[1])[None].expand(len(queries), -1, -1)
        seen.append(attend(queries, each)[0])
        return attend(queries, values)

    block.attend = note  # type: ignore[method-assign]
    try:
        with torch.inference_mode():
            yield seen
    finally:
        block.attend = attend  # type: ignore[method-assign]


@contextmanager
def silenced(block: NonLocalAttention) -> Iterator[None]:
    """Lets one attention attend to nothing: its own input alone is left."""
    attend = block.attend
    block.attend = lambda _queries, values: torch.zeros_like(values)  # type: ignore[method-assign]
    try:
        yield
    finally:
        block.attend = attend  # type: ignore[method-assign]


@torch.inference_mode()
def quality(network: NLCUnet, low_res: Tensor, high_res: Tensor) -> float:
    """PSNR on Y in dB."""
    return float(psnr_y(network(low_res).clamp(0, 1), high_res, border=network.config.scale).mean())


def measure(weights: Float[Tensor, "tokens tokens"], size: tuple[int, ...], step: int, loss_db: float) -> Reach:
    """Shares of weight by distance, and how many tokens share it, means over all tokens."""
    rows, columns = torch.meshgrid(*(torch.arange(side).float() for side in size), indexing="ij")
    places = step * torch.stack([rows.flatten(), columns.flatten()], dim=1)
    near = torch.cdist(places, places)
    inside = [near <= distance for distance in DISTANCES_PX]
    entropy = torch.special.entr(weights).sum(dim=1)
    return Reach(
        within=tuple(float((weights * mask).sum(dim=1).mean()) for mask in inside),
        alike=tuple(float(mask.float().mean()) for mask in inside),
        tokens=float(entropy.exp().mean()),
        loss_db=loss_db,
    )


def print_table(found: dict[str, list[Reach]]) -> None:
    """Markdown, a row for each block, means over pictures."""
    heads = [f"within {distance} px" for distance in DISTANCES_PX]
    print(f"| attention of | {' | '.join(heads)} | tokens that share the weight | dB lost without it |")
    print(f"|---|{'---:|' * (len(heads) + 2)}")
    for name, reaches in found.items():
        shares = [f"{fmean(one.within[n] for one in reaches):.0%}" for n in range(len(DISTANCES_PX))]
        tokens, loss = fmean(one.tokens for one in reaches), fmean(one.loss_db for one in reaches)
        print(f"| {name.removesuffix('.attention')} | {' | '.join(shares)} | {tokens:.0f} | {loss:+.3f} |")
    first = next(iter(found.values()))
    shares = [f"{fmean(one.alike[n] for one in first):.0%}" for n in range(len(DISTANCES_PX))]
    print(f"| *all tokens alike* | {' | '.join(shares)} | all | |")


def draw(found: dict[str, list[Reach]], path: Path) -> None:
    """Share of the weight over distance, a line for each block."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, reaches in found.items():
        shares = [100 * fmean(one.within[n] for one in reaches) for n in range(len(DISTANCES_PX))]
        axes.plot(DISTANCES_PX, shares, marker="o", label=name.removesuffix(".attention"))
    first = next(iter(found.values()))
    alike = [100 * fmean(one.alike[n] for one in first) for n in range(len(DISTANCES_PX))]
    axes.plot(DISTANCES_PX, alike, color="0.5", linestyle="--", label="all tokens alike")
    axes.set(xscale="log", xlabel="distance in low-resolution pixels", ylabel="share of the weight (%)", ylim=(0, 100))
    axes.set_xticks(DISTANCES_PX, [str(distance) for distance in DISTANCES_PX])
    axes.set_xticks([], minor=True)
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
