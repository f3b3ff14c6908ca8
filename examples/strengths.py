"""Upscale the example photograph between PSNR and GAN weights, measure, and draw the versions side by side.

Run: ``python examples/strengths.py WEIGHTS [--output FILE]``, WEIGHTS a GAN file with its PSNR weights beside it (a run
of the second stage leaves both in its folder).
"""

import argparse
from pathlib import Path

from demo import HERE, draw_comparison, score

import nlcunet
from nlcunet.imaging.files import read_picture

STRENGTHS = (0.0, 0.5, 1.0)


def main() -> None:
    """Upscale, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("--output", type=Path, default=Path("strengths.png"))
    options = parser.parse_args()
    low_res = read_picture(HERE / "anhinga.png").pixels
    original = read_picture(HERE / "anhinga_original.webp").pixels
    columns = {}
    for strength in STRENGTHS:
        result = nlcunet.load(options.weights, strength=strength).upscale(low_res)
        print(f"strength {strength:.1f}  {score(result, original)}")
        columns[f"{strength:.1f}  {score(result, original)}"] = result
    draw_comparison({**columns, "original": original}, options.output)


if __name__ == "__main__":
    main()
