"""The page as a whole: what it says, that it is safe, and that it is the same every time."""

import json
import math
import re
from statistics import fmean

import pytest

from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.records import read_records
from nlcunet.evaluation.statistics import holm, sign_flip_p_value


def table_of(read, start):
    return next(table for table in read.tables if table.caption.startswith(start))


def test_the_page_has_every_section_and_its_contents_lead_there(make_records, make_report, read):
    found = read(make_report(make_records(keep=True), crop_px=32))
    anchors = [target[1:] for target in found.targets if target.startswith("#")]
    assert set(anchors) - {"main"} == {
        "protocol", "results", "degradations", "images", "places", "failures", "cost", "reproduce",
    }  # fmt: skip
    assert set(anchors) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


def test_the_protocol_stands_above_the_results_word_for_word(make_records, make_report, read):
    path = make_records()
    text = read(make_report(path)).text
    for line in read_records([path]).sets[0].description:
        assert line in text
    assert text.index("imresize") < text.index("SSIM Y")


def test_means_gains_and_p_values_are_those_of_the_records(make_records, make_report, read):
    path = make_records(images=4, systems=("bicubic", "sharpened", "grey"))
    table = table_of(read(make_report(path)), "drawn, gaussian8 ×4: 4 images, 8 pairs")
    assert table.rows[0][:4] == ["system", "PSNR YdB", "gain over bicubicdB", "SSIM Y"]
    pairs = read_records([path]).pairs
    gains = {}
    for row, system in zip(table.rows[1:], ("bicubic", "sharpened", "grey"), strict=True):
        values = {one.pair: one.measures["psnr_y"] for one in pairs if one.system == system}
        base = {one.pair: one.measures["psnr_y"] for one in pairs if one.system == "bicubic"}
        assert row[0].strip() == system
        assert row[1].startswith(f"{fmean(values.values()):.2f}")
        gains[system] = {pair: values[pair] - base[pair] for pair in base}
    by_image = {
        system: [fmean(v for pair, v in found.items() if pair[1] == f"picture{n}.png") for n in range(4)]
        for system, found in gains.items()
    }
    import numpy as np

    expected = holm([sign_flip_p_value(np.array(by_image[name])) for name in ("sharpened", "grey")])
    for row, name, p_value in zip(table.rows[2:], ("sharpened", "grey"), expected, strict=True):
        mean = fmean(by_image[name])
        assert row[2].startswith(f"{mean:+.2f}".replace("-", "−"))
        assert row[2].endswith(f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}")


def test_intervals_hold_their_means(make_records, make_report, read):
    table = table_of(read(make_report(make_records(images=4))), "drawn, gaussian8")
    for row in table.rows[1:]:
        mean, low, high = (float(part) for part in re.findall(r"\d+\.\d\d(?=\d|\D|$)", row[1])[:3])
        assert low < mean < high


def test_the_best_is_marked_only_where_the_lead_is_significant(make_records, make_report, read):
    few, many = make_records(images=3), make_records(images=8, kernels=1, size_px=64, file="many.jsonl")
    assert table_of(read(make_report(few)), "drawn").best == []
    found = read(make_report(many))
    marked = table_of(found, "drawn").best
    better = "sharpened has the best mean PSNR Y"
    assert better in found.text
    assert "its lead over bicubic is significant" in found.text
    assert any(re.fullmatch(r"\d+\.\d\d", cell) for cell in marked)


def test_costs_are_shown_with_the_size_they_were_measured_at(make_records, make_report, read):
    found = read(make_report(make_records(systems=("bicubic", "sharpened", "grey"))))
    table = table_of(found, "drawn, gaussian8")
    assert "operationsGFLOP" in table.rows[0]
    assert "Costs are of one input of 128×128 pixels. Times were measured on a test." in found.text
    sharpened = next(row for row in table.rows if "sharpened" in row[0])
    assert sharpened[4:] == ["1.58", "8.60", "0.190", "71.0"]
    assert "Without known costs: bicubic." in found.text
    assert any("operations (GFLOP)" in title for title in found.titles)


def test_every_image_has_its_dot_and_its_line(make_records, make_report, read):
    found = read(make_report(make_records(images=3)))
    dots = [title for title in found.titles if re.fullmatch(r"picture\d\.png: [+−]\d+\.\d\d dB", title)]
    assert len(dots) == 3
    table = table_of(found, "drawn gaussian8 x4, PSNR Y of each image")
    assert [row[0] for row in table.rows[1:]] == ["picture0.png", "picture1.png", "picture2.png"]
    assert f"picture0.png: {table.rows[1][3]} dB" in dots


def test_the_same_records_give_the_same_bytes(make_records, make_report):
    path = make_records(images=2, keep=True)
    assert make_report(path, crop_px=32) == make_report(path, crop_px=32)


def test_no_path_of_the_machine_is_on_the_page(make_records, make_report, tmp_path):
    page = make_report(make_records(images=2, keep=True), crop_px=32)
    assert str(tmp_path) not in page
    assert tmp_path.name not in page


def test_the_page_loads_nothing(make_records, make_report, read):
    page = make_report(make_records(images=2, keep=True), crop_px=32)
    found = read(page)
    assert all(target.startswith(("#", "data:")) for target in found.targets)
    assert all(image["src"].startswith("data:image/webp;base64,") for image in found.images)
    assert all(image["alt"] for image in found.images)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)


def test_names_cannot_become_markup(make_records, make_report, read):
    name = "<img src=x onerror=alert(1)> & \"q\" 'é' 馬 \u202e.png"
    page = make_report(
        make_records(images=1, names=(name,), name="<b>set</b>&co", keep=True), crop_px=32, title="</title><script>"
    )
    found = read(page)
    assert "<img src=x" not in page
    assert "<b>set</b>&co" not in page
    assert page.count("<script>") == 1
    assert name in found.text
    assert "<b>set</b>&co" in found.text
    assert any(title.startswith(name) for title in found.titles)


def test_halves_of_characters_in_names_do_not_stop_the_page(make_records, make_report, read):
    path = make_records(images=1, names=("a.png",))
    path.write_text(path.read_text().replace('"a.png"', '"\\udce9.png"'))
    assert "?.png" in read(make_report(path)).text


def test_infinite_results_are_shown_and_compared(make_records, make_report, read):
    path = make_records(images=3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "pair" and line["image"] == "picture0.png" and line["system"] == "sharpened":
            line["measures"]["psnr_y"] = None
    path.write_text("\n".join(map(json.dumps, lines)))
    found = read(make_report(path, crop_px=32))
    table = table_of(found, "drawn, gaussian8")
    assert table.rows[2][1] == "∞"
    assert table.rows[2][2] == "+∞" or table.rows[2][2] == "∞"
    assert "at least one output of sharpened equals its original exactly" in found.text
    assert re.search(
        r"sharpened has the best mean PSNR Y over the 4 pairs without perfect copies, \d\d\.\d\d dB", found.text
    )
    assert "∞ dB" not in found.text
    assert "nan" not in found.text


def test_equal_infinite_results_do_not_differ(make_records, make_report, read):
    path = make_records(images=2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "pair":
            line["measures"]["psnr_y"] = None
    path.write_text("\n".join(map(json.dumps, lines)))
    found = read(make_report(path))
    table = table_of(found, "drawn, gaussian8")
    assert table.rows[2][2].startswith("0.00")
    assert "every pair has a perfect copy, so that there is no mean to compare" in found.text


@pytest.mark.parametrize("systems", [("sharpened",), ("bicubic",)])
def test_a_single_system_and_a_single_image_make_a_page(make_records, make_report, read, systems):
    found = read(make_report(make_records(images=1, systems=systems, kernels=1, keep=True), crop_px=32))
    table = table_of(found, "drawn, gaussian8 ×4: 1 image, 1 pair")
    assert table.rows[0][1] == "PSNR YdB"
    assert not any("gain" in head for head in table.rows[0])
    assert table.best == []


def test_several_scales_and_protocols_stand_on_one_page(make_records, make_report, read):
    paths = [
        make_records(images=2, name="a", scale=4, systems=("bicubic",), file="1.jsonl"),
        make_records(images=2, name="b", protocol="bicubic", kernels=1, systems=("bicubic",), file="2.jsonl"),
        make_records(images=2, name="c", scale=3, file="3.jsonl"),
    ]
    found = read(make_report(*paths, crop_px=33))
    for text in ("Protocol gaussian8 ×4", "Protocol bicubic ×4", "Protocol gaussian8 ×3"):
        assert text in found.text
    assert [t.caption.split(":")[0] for t in found.tables[:3]] == [
        "a, gaussian8 ×4", "b, bicubic ×4", "c, gaussian8 ×3",
    ]  # fmt: skip


def test_what_others_published_stands_apart(make_records, make_report, read):
    found = read(make_report(make_records(name="Set5", images=1, kernels=1)))
    table = table_of(found, "Published by others, not measured here")
    assert any("DAN" in row[0] for row in table.rows)


def test_damages_and_their_pairs_make_a_surface(make_records, make_report, read):
    path = make_records(images=1, protocol="diverse", kernels=200, size_px=48)
    found = read(make_report(path, places=0))
    table = table_of(found, "sharpened on drawn diverse x4: PSNR Y (dB), gain over bicubic")
    assert table.rows[0][:3] == ["damage", "alone", "motion 4"]
    noise = next(row for row in table.rows if row[0] == "noise 15")
    assert all(re.fullmatch(r"[+−]?\d+\.\d\d|", cell) for cell in noise[1:])
    assert noise[1]


def test_measures_where_less_is_better_are_marked_by_their_smallest(make_records, make_report, read):
    path = make_records(images=7, kernels=1, size_px=64)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "pair":
            line["measures"]["niqe"] = 3.0 if line["system"] == "sharpened" else 4.0
    path.write_text("\n".join(map(json.dumps, lines)))
    table = table_of(read(make_report(path)), "drawn")
    column = next(n for n, head in enumerate(table.rows[0]) if "niqe" in head.lower())
    assert "less is better" in table.rows[0][column]
    assert "3.0000" in table.best
    assert "4.0000" not in table.best


def test_only_common_pairs_are_compared_and_that_is_told(make_records, make_report, read):
    path = make_records(images=3)
    lines = path.read_text().splitlines()
    dropped = [n for n, line in enumerate(lines) if '"sharpened"' in line and '"picture2.png"' in line]
    path.write_text("\n".join(line for n, line in enumerate(lines) if n not in dropped))
    found = read(make_report(path))
    assert "drawn, gaussian8 ×4: 2 images, 4 pairs" in [table.caption for table in found.tables]
    assert "Not all systems were measured on the same pairs (bicubic 6, sharpened 4)" in found.text


def test_reproduction_has_commands_and_checksums(make_records, make_report, read):
    path = make_records()
    found = read(make_report(path))
    assert (
        "nlcunet bench make --images drawn --protocol gaussian8 --scale 4 --sigmas 1.80,2.60 -o drawn-gaussian8-x4"
        in found.text
    )
    assert "--model sharpened=sharpened.safetensors --measures psnr_y,ssim_y" in found.text
    for digest in ("ab" * 32, "5a" * 32):
        assert digest in found.text
    import hashlib

    assert hashlib.sha256(path.read_bytes()).hexdigest() in found.text


def test_another_baseline_can_be_chosen(make_records, make_report, read):
    path = make_records()
    assert "gain over sharpened" in read(make_report(path, baseline="sharpened")).text
    with pytest.raises(ConfigError, match="baseline must be one of bicubic, sharpened: got 'dan'"):
        make_report(path, baseline="dan")


def test_records_without_results_are_refused(make_records, make_report):
    path = make_records(images=1)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if '"pair"' not in line))
    with pytest.raises(DataError, match="records must hold results"):
        make_report(path)


def test_systems_without_a_common_pair_are_refused(make_records, make_report):
    path = make_records(images=2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [
        line
        for line in lines
        if line["kind"] != "pair" or (line["system"] == "bicubic") == (line["image"] == "picture0.png")
    ]
    path.write_text("\n".join(map(json.dumps, kept)))
    with pytest.raises(DataError, match="must be measured on the same pairs"):
        make_report(path)


def test_numbers_are_finite_in_plots(make_records, make_report):
    page = make_report(make_records(images=2))
    coordinates = re.findall(r'(?:points|d|cx|cy|x|y)="([^"]*)"', page)
    assert coordinates
    assert not any("nan" in one or "inf" in one for one in coordinates)
    assert math.isfinite(len(page))
