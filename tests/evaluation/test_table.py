"""Tables: grouped by protocol, in the order of papers, with intervals and tests, in every format."""

import csv
import math
from dataclasses import replace

import pytest

from nlcunet.degradations.record import DegradationRecord
from nlcunet.degradations.words import name_parts
from nlcunet.errors import ConfigError, DataError
from nlcunet.evaluation.diverse import grid_records
from nlcunet.evaluation.protocols import find_protocol
from nlcunet.evaluation.records import PairRecord, Records, SetFacts, SystemFacts
from nlcunet.evaluation.table import choose_baseline, choose_measures, compare, compare_all, make_groups, summarise
from nlcunet.evaluation.table_blocks import (
    caption,
    cost_block,
    degradation_blocks,
    image_blocks,
    mean_blocks,
    published_block,
    sigma_blocks,
)
from nlcunet.evaluation.table_formats import csv_text, latex, markdown, screen_table

GAUSSIAN8 = find_protocol("gaussian8", 4)
BICUBIC = SystemFacts(name="bicubic", system_kind="network", scale=4, architecture="Bicubic", parameters=0)
OURS = replace(
    BICUBIC,
    name="ours",
    parameters=1_579_360,
    cost_size_px=128,
    gflop=8.6,
    seconds=0.123,
    peak_mib=71.0,
    machine="a machine: 100 GFLOP/s",
)


def facts(name, images, protocol=GAUSSIAN8):
    return SetFacts(
        name=name,
        protocol=protocol.name,
        version=protocol.version,
        scale=protocol.scale,
        description=protocol.description(),
        images=images,
        pairs=images * len(protocol.records("a")),
    )


def pairs_of(one, system, score, protocol=GAUSSIAN8):
    """`score` of image number, degradation number and record gives PSNR; SSIM is a hundredth of it."""
    return [
        PairRecord(
            set=one.key,
            system=system,
            image=f"{image}.png",
            kernel_index=index,
            degradation=record.to_dict(),
            low_res_sha256=f"{image} {index}",
            measures={"psnr_y": score(image, index, record), "ssim_y": score(image, index, record) / 100},
        )
        for image in range(one.images)
        for index, record in protocol.records(f"{image}.png")
    ]


@pytest.fixture
def records():
    """Two systems on two sets: ours is 2 dB better, and a little more on later images."""
    set14, set5 = facts("Set14", 6), facts("Set5", 5)
    pairs = []
    for one in (set14, set5):
        pairs += pairs_of(one, "bicubic", lambda image, index, _: 25.0 + image - index / 8)
        pairs += pairs_of(one, "ours", lambda image, index, _: 27.0 + 1.1 * image - index / 8)
    return Records(sets=(set14, set5), systems=(BICUBIC, OURS), pairs=tuple(pairs))


def test_sets_stand_in_the_order_of_papers(records):
    (group,) = make_groups(records)
    assert [one.name for one in group.sets] == ["Set5", "Set14"]
    assert caption(group)[0].startswith("Protocol gaussian8 ×4, version 1")
    assert caption(group)[-1] == "Sets: Set5, 5 images, 40 pairs; Set14, 6 images, 48 pairs."


def test_protocols_and_scales_never_share_a_table(records):
    other = facts("Set5", 5, find_protocol("gaussian8", 2))
    more = pairs_of(other, "bicubic", lambda *_: 30.0, find_protocol("gaussian8", 2))
    systems = (*records.systems, replace(BICUBIC, scale=2))
    both = replace(records, sets=(*records.sets, other), systems=systems, pairs=(*records.pairs, *more))
    first, second = make_groups(both)
    assert [one.scale for one in second.sets] == [2]
    assert [(one.name, one.scale) for one in second.systems] == [("bicubic", 2)]
    assert {one.scale for one in first.systems} == {4}
    assert len(first.pairs) + len(second.pairs) == len(both.pairs)


def test_means_are_over_pairs_and_intervals_over_images(records):
    (group,) = make_groups(records)
    found = summarise(group.find("Set5 gaussian8 x4", "bicubic"), "psnr_y")
    assert found.mean == pytest.approx(25 + 2 - 3.5 / 8)
    assert (found.images, found.pairs) == (5, 40)
    assert found.interval.low < found.mean < found.interval.high


def test_differences_are_tested_over_images_and_corrected_for_their_number(records):
    (group,) = make_groups(records)
    found = compare_all(group, "psnr_y", "bicubic")
    assert {key: one.p_value for key, one in found.items()} == {
        ("Set5 gaussian8 x4", "ours"): pytest.approx(2 / 2**5),
        ("Set14 gaussian8 x4", "ours"): pytest.approx(2 / 2**6),
    }
    assert found["Set5 gaussian8 x4", "ours"].mean == pytest.approx(2.2)
    assert found["Set14 gaussian8 x4", "ours"].p_holm == pytest.approx(2 * 2 / 2**6)
    assert found["Set5 gaussian8 x4", "ours"].p_holm == pytest.approx(2 / 2**5)


def test_only_pairs_that_both_saw_are_compared(records):
    (group,) = make_groups(records)
    bicubic, ours = (group.find("Set5 gaussian8 x4", name) for name in ("bicubic", "ours"))
    found = compare(ours[:8], bicubic, "psnr_y")
    assert found.mean == pytest.approx(2.0)
    assert found.p_value == 1.0
    assert compare(ours[:8], bicubic[8:], "psnr_y") is None
    perfect = [replace(one, measures={"psnr_y": math.inf}) for one in ours]
    assert compare(perfect, perfect, "psnr_y").mean == 0.0


def test_what_has_no_value_counts_in_no_mean(records):
    (group,) = make_groups(records)
    bicubic, ours = (group.find("Set5 gaussian8 x4", name) for name in ("bicubic", "ours"))
    without = tuple(replace(one, measures={"psnr_y": math.nan}) for one in ours[:8])
    assert summarise(without, "psnr_y") is None
    assert summarise((*without, *ours[8:]), "psnr_y") == summarise(ours[8:], "psnr_y")
    assert compare((*without, *ours[8:]), bicubic, "psnr_y") == compare(ours[8:], bicubic, "psnr_y")
    assert compare(ours, without, "psnr_y") is None


def test_blocks_hold_means_differences_and_costs(records):
    (group,) = make_groups(records)
    means, differences, *_ = mean_blocks(group, ("psnr_y", "ssim_y"), "bicubic")
    assert means.heads == ("system", "Set5", "Set14")
    assert means.rows[0][1].startswith("26.56 [25.")
    assert differences.title == "PSNR Y (dB): difference to bicubic"
    assert differences.rows == (("ours", "+2.20 (p 0.062)", "+2.25 (p 0.062)"),)
    cost = cost_block(group.systems)
    assert cost.rows[1] == ("ours", "1.58", "128×128", "8.6", "0.123", "71")
    assert cost.rows[0] == ("bicubic", "0.00", "–", "–", "–", "–")
    assert any("a machine: 100 GFLOP/s" in note for note in cost.notes)


def test_parts_of_a_set_are_marked(records):
    (group,) = make_groups(replace(records, pairs=records.pairs[:-3]))
    means, *_ = mean_blocks(group, ("psnr_y",), "bicubic")
    assert means.rows[1][1].endswith("(37 of 40 pairs)")
    assert "of" not in means.rows[0][1]


def test_systems_that_did_not_see_a_set_have_a_dash(records):
    kept = tuple(one for one in records.pairs if (one.set, one.system) != ("Set14 gaussian8 x4", "ours"))
    (group,) = make_groups(replace(records, pairs=kept))
    means, differences, *_ = mean_blocks(group, ("psnr_y",), "bicubic")
    assert means.rows[1][2] == "–"
    assert differences.rows[0][2] == "–"


def test_rows_by_image_and_sigma(records):
    (group,) = make_groups(records)
    by_image, *_ = image_blocks(group, ("psnr_y",))
    assert [row[0] for row in by_image.rows] == [*(f"{i}.png" for i in range(5)), "all"]
    assert by_image.rows[0] == ("0.png", "24.56", "26.56")
    by_sigma, *_ = sigma_blocks(group, ("psnr_y",))
    assert [row[0] for row in by_sigma.rows] == ["1.80", "2.00", "2.20", "2.40", "2.60", "2.80", "3.00", "3.20", "all"]
    assert by_sigma.rows[0] == ("1.80", "27.00", "29.20")
    assert by_sigma.title == "Set5: PSNR Y (dB)"


def test_single_degradations_are_rows(records):
    (group,) = make_groups(records)
    block, *_ = degradation_blocks(group, ("psnr_y",))
    assert [row[0] for row in block.rows][:2] == ["blur 1.80", "blur 2.00"]


def test_pairs_of_degradations_are_a_surface():
    protocol = find_protocol("diverse", 4)
    one = facts("Set5", 2, protocol)
    pairs = pairs_of(one, "bicubic", lambda _image, index, _: float(index), protocol)
    (group,) = make_groups(Records(sets=(one,), systems=(BICUBIC,), pairs=tuple(pairs)))
    (block,) = degradation_blocks(group, ("psnr_y",))
    cells = {(row[0], head): cell for row in block.rows for head, cell in zip(block.heads, row, strict=True) if head}
    assert len([cell for cell in cells.values() if cell not in {"–", ""}]) >= 71
    for index, record in enumerate(grid_records(4, "any")):
        parts = name_parts(record)
        place = {
            0: lambda _: ("none", "alone"),
            1: lambda p: (p[0], "alone") if (p[0], "alone") in cells else ("none", p[0]),
            2: lambda p: (p[1], p[0]),
        }[len(parts)](parts)
        assert cells[place] == f"{index:.2f}"


def test_measures_and_baselines_must_be_there(records):
    assert choose_measures(records, ()) == ("psnr_y", "ssim_y")
    with pytest.raises(ConfigError, match="have psnr_y, ssim_y: got 'lpips'; measure it"):
        choose_measures(records, ("lpips",))
    assert choose_baseline(records.systems, None) == "bicubic"
    with pytest.raises(ConfigError, match="one of bicubic, ours: got 'DAN'"):
        choose_baseline(records.systems, "DAN")
    with pytest.raises(DataError, match="found none"):
        make_groups(replace(records, pairs=()))


def test_published_numbers_stand_apart_with_their_source(records):
    (group,) = make_groups(records)
    block = published_block(group, ("psnr_y", "ssim_y"))
    assert block.title.startswith("Published by others, not measured here")
    dan = next(row for row in block.rows if row[0] == "DANv2 (published)")
    assert dan == ("DANv2 (published)", "4.71", "32.00 / 0.8885", "28.50 / 0.7715", "DAN repository")
    assert all(row[0].endswith("(published)") and row[-1] for row in block.rows)
    standin = facts("Set5", 5, find_protocol("anisotropic-standin", 4))
    assert published_block(replace(group, sets=(standin,)), ("psnr_y",)) is None


def test_markdown_and_latex_hold_every_cell(records):
    (group,) = make_groups(records)
    blocks = mean_blocks(group, ("psnr_y",), "bicubic")
    text = markdown(caption(group), blocks)
    assert "| system | Set5 | Set14 |\n| --- | ---: | ---: |" in text
    assert "| ours | +2.20 (p 0.062) | +2.25 (p 0.062) |" in text
    tex = latex(caption(group), [replace(blocks[0], rows=(("a_b & 50% × −1", "1", "2"),))])
    assert r"a\_b \& 50\% $\times$ $-$1 & 1 & 2 \\" in tex
    assert tex.count(r"\toprule") == tex.count(r"\end{tabular}") == 1
    assert tex.startswith("% Protocol gaussian8")


def test_the_screen_table_holds_every_cell_and_no_markup(records):
    (group,) = make_groups(records)
    block = mean_blocks(group, ("psnr_y",), "bicubic")[0]
    table = screen_table(replace(block, rows=(("[red]x", "1", "2"),)))
    assert table.row_count == 1
    assert list(table.columns[0].cells) == [r"\[red]x"]


def test_csv_has_all_digits_and_tells_measured_from_published(records):
    rows = list(
        csv.DictReader(csv_text(make_groups(records), ("psnr_y",), "bicubic", with_published=True).splitlines())
    )
    ours = next(row for row in rows if row["system"] == "ours" and row["set"] == "Set5")
    assert float(ours["mean"]) == pytest.approx(25 + 2.2 + 2 - 3.5 / 8)
    assert float(ours["p_value"]) == 2 / 2**5
    assert (ours["status"], ours["parameters"], ours["baseline"]) == ("measured", "1579360", "bicubic")
    assert next(row for row in rows if row["system"] == "bicubic")["difference"] == ""
    published = [row for row in rows if row["status"] == "published"]
    assert {row["set"] for row in published} == {"Set5", "Set14"}
    assert all(row["source"] for row in published)


def test_published_pairs_have_no_degradation_to_group_by():
    protocol = find_protocol("div2krk", 4)
    one = SetFacts(
        name="DIV2KRK", protocol="div2krk", version=1, scale=4, description=protocol.description(), images=1, pairs=1
    )
    pair = PairRecord(
        set=one.key,
        system="bicubic",
        image="a",
        kernel_index=0,
        degradation={},
        low_res_sha256="x",
        measures={"psnr_y": 25.0},
    )
    (group,) = make_groups(Records(sets=(one,), systems=(BICUBIC,), pairs=(pair,)))
    assert degradation_blocks(group, ("psnr_y",))[0].rows[0] == ("as published", "25.00")
    assert sigma_blocks(group, ("psnr_y",))[0].rows[0] == ("none", "25.00")
    assert DegradationRecord(scale=4).sigma_px == 0.0
