"""Colour arithmetic against its definition and the original research code."""

from pathlib import Path

import numpy as np
import torch

from nlcunet.imaging.colour import grey_to_rgb, rgb_to_luma, rgb_to_y_bt601_studio

GOLDEN = np.load(Path(__file__).parents[1] / "assets" / "degradations_and_metrics.npz")


def test_studio_y_matches_the_original_code():
    picture = torch.from_numpy(GOLDEN["metric_a"]).permute(2, 0, 1).double() / 255
    luma = rgb_to_y_bt601_studio(picture)[0].float()
    torch.testing.assert_close(luma, torch.from_numpy(GOLDEN["y_of_a"]), atol=1e-4, rtol=0)


def test_studio_y_runs_from_16_to_235():
    black_and_white = torch.tensor([0.0, 1.0]).expand(3, 1, 2)
    torch.testing.assert_close(rgb_to_y_bt601_studio(black_and_white).flatten(), torch.tensor([16.0, 235.0]))


def test_luma_keeps_greys():
    grey = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(rgb_to_luma(grey_to_rgb(grey)), grey)


def test_studio_y_is_scaled_luma():
    picture = torch.rand(3, 6, 7, dtype=torch.float64)
    torch.testing.assert_close(rgb_to_y_bt601_studio(picture), 16 + 219 * rgb_to_luma(picture), atol=1e-2, rtol=0)
