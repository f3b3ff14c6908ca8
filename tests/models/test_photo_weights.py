"""The embedded Photo weights undo JPEG wherever its blocks lie."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nlcunet.degradations.jpeg import compress_jpeg
from nlcunet.degradations.pipeline import apply_records
from nlcunet.degradations.presets import isotropic_record
from nlcunet.imaging.files import read_picture
from nlcunet.imaging.resize import resize_bicubic
from nlcunet.metrics.psnr import psnr_y
from nlcunet.models.weights import load_model

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "anhinga_original.webp"
PLACES = ((100, 300), (600, 200), (900, 700), (1200, 500), (300, 800), (1300, 100))
SCALE, BLOCK_PX, SIDE_PX = 4, 8, 104


def gains_by_cut(network, original):
    """Gain over bicubic in dB on one part of a compressed picture, when 0 to 7 of its rows and columns are cut off."""
    small = apply_records(original, [isotropic_record(21, 1.5, scale=SCALE)])
    compressed = compress_jpeg(small[0], 60)[None]
    common = slice(SCALE * BLOCK_PX, SCALE * SIDE_PX)
    truth = original[..., common, common]
    gains = []
    for cut in range(BLOCK_PX):
        low_res = compressed[..., cut : cut + SIDE_PX, cut : cut + SIDE_PX]
        here = slice(common.start - SCALE * cut, common.stop - SCALE * cut)
        with torch.inference_mode():
            pictures = (network(low_res), resize_bicubic(low_res, SCALE * SIDE_PX, SCALE * SIDE_PX))
        ours, plain = (psnr_y(picture[..., here, here], truth, border=SCALE).item() for picture in pictures)
        gains.append(ours - plain)
    return gains


@pytest.fixture(scope="module")
def gains():
    pixels, side = read_picture(PHOTOGRAPH).pixels, SCALE * (SIDE_PX + BLOCK_PX)
    network = load_model("4x-NLCUnet-S-Photo").network
    parts = [torch.from_numpy(pixels[y : y + side, x : x + side].copy()) for y, x in PLACES]
    return np.mean([gains_by_cut(network, part.permute(2, 0, 1)[None].float() / 255) for part in parts], axis=0)


def test_a_compressed_picture_gains_alike_whatever_was_cut_off(gains):
    # A picture without JPEG differs by 0.18 dB from cut to cut, too: the network sees it in steps of four pixels.
    assert gains.mean() > 0.8
    assert np.abs(gains - gains.mean()).max() < 0.2


def test_blocks_that_begin_in_the_corner_have_no_advantage(gains):
    assert gains[0] < gains[1:].mean() + 0.1
