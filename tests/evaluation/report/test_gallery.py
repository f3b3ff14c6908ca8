"""Crops on the page: found and cut right, within the budget, and told where there are none."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from nlcunet.errors import ConfigError
from nlcunet.evaluation.records import read_records
from nlcunet.evaluation.report.contents import arrange
from nlcunet.evaluation.report.failures import find_failures
from nlcunet.evaluation.report.gallery import compared_systems, find_disagreements
from nlcunet.evaluation.report.inputs import Options, read_inputs
from nlcunet.evaluation.report.kept import BICUBIC, read_pixels
from nlcunet.evaluation.report.page import make_page
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.metrics.psnr import psnr_of_planes


def figures(page, section):
    """Captions and pictures of the places in one section."""
    part = page.split(f'<section id="{section}"')[1].split("</section>")[0]
    return part.split('<figure class="place">')[1:]


def pictures(figure):
    """The crops of a place by their captions' first words."""
    found = re.findall(r'<img[^>]*alt="([^"]*)"[^>]*src="data:image/webp;base64,([^"]*)"', figure)
    return {alt: read_picture(base64.b64decode(data)).pixels for alt, data in found}


def spoil(path, top, left, side=16):
    """Paints a square over a picture."""
    pixels = read_picture(path).pixels.copy()
    pixels[top : top + side, left : left + side] = 255 - pixels[top : top + side, left : left + side]
    write_picture(Picture(pixels=pixels), path)


def test_a_planted_difference_is_shown_first(make_records, make_report, tmp_path):
    path = make_records(images=2, keep=True, systems=("bicubic", "sharpened"))
    spoil(tmp_path / "kept/drawn-gaussian8-4/sharpened/1_k4.png", 40, 56)
    first = figures(make_report(path, crop_px=16), "places")[0]
    assert "picture1.png" in first
    assert "16×16 pixels at (56, 40)" in first
    assert "blur 2.60" in first


def test_crops_are_the_pixels_of_the_kept_files(make_records, make_report, tmp_path):
    path = make_records(images=1, kernels=1, keep=True)
    folder = tmp_path / "kept/drawn-gaussian8-4"
    figure = figures(make_report(path, crop_px=32), "places")[0]
    left, top = map(int, re.search(r"32×32 pixels at \((\d+), (\d+)\)", figure).groups())
    found = pictures(figure)
    original = read_pixels(folder / "HR/0.png")[top : top + 32, left : left + 32]
    output = read_pixels(folder / "sharpened/0_k0.png")[top : top + 32, left : left + 32]
    low_res = read_pixels(folder / "LR/0_k0.png")[top // 4 : top // 4 + 8, left // 4 : left // 4 + 8]
    name = next(alt for alt in found if alt.startswith("sharpened"))
    assert np.array_equal(found["original"], original)
    assert np.array_equal(found[name], output)
    assert np.array_equal(found["input, pixels ×4"], low_res)


def test_local_psnr_stands_below_each_crop(make_records, make_report, tmp_path):
    import torch

    from nlcunet.metrics.planes import y_planes

    path = make_records(images=1, kernels=1, keep=True)
    found = pictures(figures(make_report(path, crop_px=32), "places")[0])
    tensors = {
        alt: torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1)[None]
        for alt, pixels in found.items()
        if alt not in {"the whole picture", "input, pixels ×4"}
    }
    truth = y_planes(tensors.pop("original"), 0)
    assert len(tensors) == 2
    for alt, output in tensors.items():
        psnr = float(psnr_of_planes(y_planes(output, 0), truth))
        assert alt.endswith(f", {psnr:.2f} dB")


def test_at_most_one_place_per_image_and_as_many_as_asked_for(make_records):
    results = arrange(read_inputs([make_records(images=4, keep=True)]).records)[0]
    calls = []
    wanted, broken = find_disagreements(results, 3, 32, lambda: calls.append(1))
    assert len({one.pair[0] for one in wanted}) == len(wanted) == 3
    values = [one.place.value for one in wanted]
    assert values == sorted(values, reverse=True)
    assert len(calls) == 8
    assert broken == []


def test_places_come_from_all_sets(make_records, make_report):
    paths = [make_records(images=2, name=name, keep=True, file=f"{name}.jsonl") for name in ("a", "b")]
    shown = figures(make_report(*paths, crop_px=32, places=1), "places")
    assert ["a gaussian8" in shown[0], "b gaussian8" in shown[1], len(shown)] == [True, True, 2]


def test_bicubic_is_compared_only_where_a_network_would_be_alone(make_records):
    two = arrange(read_records([make_records(images=1, systems=("bicubic", "sharpened", "grey"))]))[0]
    assert compared_systems(two, two.names) == ["sharpened", "grey"]
    one = arrange(read_records([make_records(images=1, file="one.jsonl")]))[0]
    assert compared_systems(one, one.names) == ["bicubic", "sharpened"]
    alone = arrange(read_records([make_records(images=1, systems=("sharpened",), file="alone.jsonl")]))[0]
    assert compared_systems(alone, alone.names) == ["sharpened", BICUBIC]


def test_bicubic_is_made_where_it_was_not_measured(make_records, make_report, tmp_path):
    path = make_records(images=1, kernels=1, keep=True, systems=("sharpened", "grey"))
    found = pictures(figures(make_report(path, crop_px=32), "places")[0])
    assert any(alt.startswith("bicubic, made here, ") for alt in found)


def test_failures_are_the_smallest_gains_one_per_image(make_records):
    path = make_records(images=7, kernels=2, size_px=48)
    results = arrange(read_records([path]))[0]
    wanted = find_failures([results], "sharpened")
    gains = {
        pair: results.value("sharpened", pair, "psnr_y") - results.value("bicubic", pair, "psnr_y")
        for pair in results.pairs
    }
    worst = sorted(min((gains[pair], pair) for pair in results.pairs if pair[0] == image) for image in results.images)
    assert [one.pair for one in wanted] == [pair for _, pair in worst[:5]]


def test_failures_tell_how_often_a_system_is_worse(make_records, make_report, read):
    page = make_report(make_records(images=2, systems=("bicubic", "grey")))
    assert "4 of 4 pairs of drawn gaussian8 x4 worse than bicubic" in read(page).text


def test_departures_are_shown_where_consistency_was_measured(make_records, make_report, tmp_path):
    path = make_records(images=2, kernels=1, keep=True, measures=("psnr_y", "consistency"))
    shown = figures(make_report(path, crop_px=32), "departures")
    assert len(shown) == 2
    found = pictures(shown[0])
    assert {"sharpened, degraded again", "input, pixels ×4"} <= set(found)
    assert found["sharpened, degraded again"].shape == (8, 8, 3)
    assert "consistency" in shown[0]
    assert 'id="departures"' not in make_report(make_records(images=1, keep=True, file="without.jsonl"), crop_px=32)


def test_the_page_keeps_its_budget_and_tells_what_was_left_out(make_records, make_report, read):
    path = make_records(images=3, keep=True)
    full = make_report(path, crop_px=32)
    limit = len(full.encode()) - 6_000
    page = make_report(path, crop_px=32, max_bytes=limit)
    assert len(page.encode()) <= limit
    assert "Left out to keep the page small: " in read(page).text
    assert "Left out" not in read(full).text
    nothing = make_page(read_inputs([path]), Options(max_bytes=0))
    assert (nothing.shown, nothing.left_out) == (0, 6)
    assert "data:image" not in nothing.markup


def test_where_outputs_were_not_kept_the_page_says_how(make_records, make_report, read):
    text = read(make_report(make_records())).text
    assert "Pictures were not kept, or not all of them, for drawn gaussian8 x4" in text
    assert "nlcunet bench run SET --keep-outputs FOLDER" in text


@pytest.mark.parametrize("damage", ["gone", "empty", "size"])
def test_broken_pictures_are_told_and_stop_nothing(make_records, tmp_path, read, damage):
    path = make_records(images=2, kernels=1, keep=True)
    file = tmp_path / "kept/drawn-gaussian8-4/sharpened/0_k0.png"
    if damage == "gone":
        file.unlink()
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        write_picture(Picture(pixels=np.zeros((12, 12, 3), np.uint8)), file)
    page = make_page(read_inputs([path]), Options(crop_px=32))
    assert "gone, damaged or of another size: picture0.png of drawn gaussian8 x4" in read(page.markup).text
    assert "picture1.png" in figures(page.markup, "places")[0]
    assert str(tmp_path) not in page.markup
    assert page.broken


def test_relative_files_start_at_their_records(make_records, tmp_path):
    path = make_records(images=1, keep=True)
    other = tmp_path / "deep" / "er"
    other.mkdir(parents=True)
    path.rename(other / path.name)
    (tmp_path / "kept").rename(other / "kept")
    for found in read_inputs([other / path.name]).records.pairs:
        assert all(Path(file).is_file() for file in (found.output_file, found.high_res_file, found.low_res_file))


def test_pairs_made_by_others_have_no_known_degradation(make_records, make_report, read):
    path = make_records(images=2, kernels=1, keep=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "pair":
            line["degradation"] = {}
    path.write_text("\n".join(map(json.dumps, lines)))
    page = make_report(path, crop_px=32)
    assert "as published" in figures(page, "places")[0]
    assert 'id="degradations"' not in page


def test_options_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="0 places of 16 to 512 pixels"):
        Options(crop_px=8)


def test_pictures_are_taken_from_the_file_that_kept_them(make_records, make_report):
    bare = make_records(images=1, kernels=1, file="bare.jsonl")
    kept = make_records(images=1, kernels=1, keep=True, file="kept.jsonl")
    assert len(figures(make_report(bare, kept, crop_px=32), "places")) == 1
