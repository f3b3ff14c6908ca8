"""Adds what a second stage changed in its PSNR weights to newer PSNR weights, and writes the GAN weights that result.

Run: ``python benchmarks/carry_over.py GAN START NEWER -o RESULT``, four weights files. GAN was trained from START, and
NEWER went on from START. Nothing is trained: each number becomes NEWER + (GAN - START), as in task arithmetic (Ilharco
et al., https://arxiv.org/abs/2212.04089). Measure the result, and look at it.
"""

import argparse
from pathlib import Path

import torch

from nlcunet.models.weights import load_model, save_weights


def main() -> None:
    """Read three, write one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("gan", "start", "newer"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    gan, start, newer = (load_model(path) for path in (options.gan, options.start, options.newer))
    first, later = start.network.state_dict(), newer.network.state_dict()
    with torch.no_grad():
        for name, value in gan.network.state_dict().items():
            if value.is_floating_point():
                value.add_(later[name] - first[name])
    save_weights(options.output, gan.network, gan.header.model_copy(update={"scores": {}}))


if __name__ == "__main__":
    main()
