"""Colours can be told apart by everybody, and systems keep theirs."""

import re
from itertools import combinations

import numpy as np
import pytest

from nlcunet.evaluation.report.looks import choose_looks
from nlcunet.evaluation.report.page import read_asset

SIGHT = {  # Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of CVD", 2009, severity 1
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour):
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    value = np.array([int(digits[n : n + 2], 16) for n in (0, 2, 4)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def cielab(light):
    ratio = TO_XYZ @ np.clip(light, 0, 1) / WHITE
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def palettes():
    """Colours by name, in light and in dark."""
    style = read_asset("report.css")
    blocks = re.findall(r":root \{([^}]*)\}", style)
    return [dict(re.findall(r"--(\w+): #(\w+)", block)) for block in blocks if "--s0" in block]


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_are_far_apart(sight):
    found = palettes()
    assert len(found) == 3
    for colours in found:
        labs = [cielab(SIGHT[sight] @ linear(colours[name])) for name in ("s0", "s1", "s2", "s3", "s4", "s5", "sb")]
        assert min(np.linalg.norm(one - other) for one, other in combinations(labs, 2)) >= 10


def test_colours_and_text_stand_out_from_the_ground():
    for colours in palettes():
        ground = linear(colours["page"])[None] @ TO_XYZ[1] + 0.05
        for name, least in {
            **dict.fromkeys(("s0", "s1", "s2", "s3", "s4", "s5", "sb"), 3.0),
            "ink": 7,
            "soft": 4.5,
        }.items():
            luminance = linear(colours[name])[None] @ TO_XYZ[1] + 0.05
            assert max(ground, luminance) / min(ground, luminance) >= least, name


def test_looks_are_different_and_the_baseline_is_grey():
    names = [f"system{n}" for n in range(10)]
    looks = choose_looks(names, {"system3"})
    assert looks["system3"].css_class == "cb"
    assert len({(look.css_class, look.path) for look in looks.values()}) == 10
