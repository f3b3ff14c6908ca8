"""Drawn pictures: the same each time, of all kinds, full of detail, and not aliased."""

import numpy as np
import pytest
import torch

from nlcunet.data.drawn import lettering, scripts
from nlcunet.data.drawn.canvas import Canvas
from nlcunet.data.drawn.pictures import KINDS, LICENCE, MAKERS, draw_picture, draw_set, draw_softness_px, plan_set
from nlcunet.errors import ConfigError

SIZE = 128


@pytest.fixture(scope="module")
def drawn():
    """Four pictures of each kind."""
    return {kind: [draw_picture(kind, seed, SIZE) for seed in range(4)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_bits(kind, drawn):
    assert torch.equal(draw_picture(kind, 1, SIZE), drawn[kind][1])


def test_no_two_pictures_are_equal(drawn):
    pictures = [picture.numpy().tobytes() for kind in KINDS for picture in drawn[kind]]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_detail(kind, drawn):
    for picture in drawn[kind]:
        grey = picture.float().mean(dim=2)
        steps = (grey[1:, 1:] - grey[:-1, 1:]).abs() + (grey[1:, 1:] - grey[1:, :-1]).abs()
        assert steps.max() > 25  # somewhere there is an edge
        assert (steps > 4).float().mean() > 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_rgb_of_the_size_asked_for(kind):
    for size_px in (33, 100):
        picture = draw_picture(kind, 5, size_px)
        assert picture.shape == (size_px, size_px, 3)
        assert picture.dtype == torch.uint8
        assert picture.is_contiguous()


def test_sets_are_neither_dark_nor_light_nor_all_grey(drawn):
    pictures = torch.stack([picture for kind in KINDS for picture in drawn[kind]]).float()
    assert 80 < pictures.mean() < 175
    assert (pictures.std(dim=(1, 2, 3)) > 12).float().mean() > 0.85
    coloured = (pictures.amax(dim=3) - pictures.amin(dim=3)).mean(dim=(1, 2)) > 4
    assert 0.3 < coloured.float().mean() < 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_stay_in_range_without_clipping(kind):
    for seed in range(3):
        pixels = MAKERS[kind](np.random.default_rng(seed), Canvas(SIZE))
        assert pixels.dtype == np.float32
        assert pixels.min() > -0.005
        assert pixels.max() < 1.005


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_aliased(kind):
    """A drawing is the mean over each pixel's area of one four times larger; picking single pixels would be far off."""
    errors, picked_errors = [], []
    for seed in range(3):
        small = MAKERS[kind](np.random.default_rng([seed, 7]), Canvas(SIZE))
        large = MAKERS[kind](np.random.default_rng([seed, 7]), Canvas(SIZE, zoom=4))
        area = large.reshape(SIZE, 4, SIZE, 4, 3).mean(axis=(1, 3))
        errors.append(float(np.mean((small - area) ** 2)))
        picked_errors.append(float(np.mean((large[1::4, 1::4] - area) ** 2)))
        assert abs(float((small - area).mean())) * 255 < 1.2
    assert max(errors) ** 0.5 * 255 < 4.0
    assert sum(errors) < 0.12 * sum(picked_errors)


def test_most_pictures_are_as_sharp_as_pixels_allow():
    rng = np.random.default_rng(0)
    sigmas = np.array([draw_softness_px(rng) for _ in range(2000)])
    assert 0.5 < (sigmas == 0).mean() < 0.6
    assert (sigmas <= 0.45).mean() > 0.87
    assert sigmas.max() < 0.9


def test_a_set_holds_all_kinds_evenly_and_grows_at_its_end():
    plan = plan_set(90, seed=3)
    assert plan_set(40, seed=3) == plan[:40]
    counts = [sum(kind == name for kind, _ in plan) for name in KINDS]
    assert min(counts) >= 9
    assert max(counts) <= 11
    assert not {seed for _, seed in plan} & {seed for _, seed in plan_set(90, seed=4)}


def test_weights_choose_the_shares():
    plan = plan_set(60, seed=0, kinds={"text": 2.0, "hair": 1.0, "grids": 0.0})
    counts = {kind: sum(name == kind for name, _ in plan) for kind in ("text", "hair", "grids")}
    assert counts["text"] == pytest.approx(40, abs=1)
    assert counts["grids"] == 0


def test_sets_look_like_photographs_and_do_not_depend_on_threads():
    one, two = (draw_set(4, 1, 48, kinds={"curves": 1.0, "text": 1.0}, threads=threads) for threads in (1, 3))
    assert len(one) == 4
    assert one.names == two.names
    assert all(map(torch.equal, one.pictures, two.pictures))
    assert one.licence == f"{LICENCE} (4)"
    kind, _, seed = one.names[2].rpartition("-")
    assert torch.equal(one.pictures[2], draw_picture(kind, int(seed), 48))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clouds", 0, 64), "kinds of drawn pictures are curves, .*: got clouds"),
        (("text", -1, 64), "a seed of at least 0 .* got seed -1"),
        (("text", 0, 16), "a side of 32 … 4096 pixels: got seed 0 and 16"),
        (("text", 0, 5000), "a side of 32 … 4096 pixels"),
    ],
)
def test_impossible_pictures_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        draw_picture(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "a set has 1 … 1,000,000 pictures"),
        ((1_000_001, 0), "a set has 1 … 1,000,000 pictures"),
        ((3, -2), "got 3 pictures and seed -2"),
        ((3, 0, {}), "got none"),
        ((3, 0, {"fur": 1.0}), "got fur"),
        ((3, 0, {"hair": 0.0}), "weights of kinds must be at least 0"),
        ((3, 0, {"hair": 2.0, "text": -1.0}), "weights of kinds must be at least 0"),
        ((3, 0, {"hair": float("nan")}), "weights of kinds must be at least 0"),
        ((3, 0, {"hair": float("inf")}), "weights of kinds must be at least 0"),
    ],
)
def test_impossible_sets_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        plan_set(*arguments)


@pytest.fixture
def _no_fonts(monkeypatch):
    """A machine where every letter comes out as a box."""
    monkeypatch.setattr(scripts, "has_glyph", lambda _: False)
    monkeypatch.setattr(lettering, "list_writable_scripts", scripts.list_writable_scripts.__wrapped__)


@pytest.mark.usefixtures("_no_fonts")
@pytest.mark.parametrize("kind", ["text", "line-art"])
def test_without_fonts_letters_are_invented(caplog, kind):
    for seed in range(4):
        picture = draw_picture(kind, seed, SIZE)
        assert picture.float().std() > 5
    assert "no font is installed" in caplog.text


def test_every_script_that_can_be_written_is_used():
    rng = np.random.default_rng(0)
    for script, families in scripts.list_writable_scripts():
        text = scripts.make_line(rng, script, 60)
        assert 55 <= len(text) < 80
        assert families
        letters = set("".join(script.letters)) | set("0123456789,.!?: ")
        assert set(text.lower()) <= letters | {"s"}  # ß becomes SS in capitals


def test_named_families_that_svg_would_misread_are_escaped():
    rng = np.random.default_rng(0)
    style = lettering._font_style(rng, ('A & B <"C">',), 12.0, np.zeros(3), outlined=False)
    assert "A &amp; B &lt;C>" in style
