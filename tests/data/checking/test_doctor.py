"""A folder with one of everything: what is found, told and done about it."""

import base64
import csv
import json
import re

import numpy as np
import pytest
from doctor_pictures import enlarged, resized, scene, with_noise

from nlcunet.data.checking.examination import KINDS, Limits, examine, find_duplicates
from nlcunet.data.checking.remedies import move_bad_files, write_good_manifest
from nlcunet.data.checking.report import SHOWN_PER_KIND, make_html, make_json, make_markdown
from nlcunet.data.pack_sources import PackSettings
from nlcunet.data.packing import pack
from nlcunet.errors import ConfigError, DataError
from nlcunet.imaging.files import Picture, read_picture, write_picture
from nlcunet.imaging.lossy import jpeg_round_trip

LIMITS = Limits(min_px=128)


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels=np.ascontiguousarray(pixels)), path)


@pytest.fixture
def clean(tmp_path):
    """Four good pictures, one of them in a folder of its own."""
    folder = tmp_path / "clean"
    for number in range(4):
        save(scene(number), folder / ("deep" if number == 3 else "") / f"good{number}.png")
    return folder


@pytest.fixture
def planted(clean, tmp_path):
    """The good ones, one with every flaw, and a benchmark."""
    save(scene(4), tmp_path / "bench" / "benchmark4.png")
    save(scene(5), tmp_path / "bench" / "benchmark5.png")
    save(scene(6)[:100, :120], clean / "small.png")
    save(np.full((200, 200, 3), 90, dtype=np.uint8), clean / "flat.png")
    save(enlarged(scene(7), 3), clean / "enlarged.png")
    save(with_noise(scene(8), 9.0), clean / "noise.png")
    save(jpeg_round_trip(scene(9), 30), clean / "blocks.png")
    save(scene(0), clean / "zz_same_as_0.png")
    save(jpeg_round_trip(resized(scene(1)[:, ::-1], 144, 192), 95), clean / "zz_like_1.png")
    save(np.rot90(jpeg_round_trip(resized(scene(4), 150, 200), 95)), clean / "leaked4.png")
    whole = (clean / "good1.png").read_bytes()
    (clean / "cut.png").write_bytes(whole[: len(whole) // 2])
    (clean / "page.jpg").write_bytes(b"<html>404</html>")
    return clean


def kinds_by_file(found):
    return {(finding.file, finding.kind) for finding in found.findings}


def test_every_planted_flaw_is_found_and_nothing_else(planted, tmp_path):
    found = examine(planted, benchmarks=[tmp_path / "bench"], limits=LIMITS)
    assert kinds_by_file(found) == {
        ("small.png", "too-small"),
        ("flat.png", "flat"),
        ("enlarged.png", "blurry"),
        ("noise.png", "noisy"),
        ("blocks.png", "blocky"),
        ("zz_same_as_0.png", "duplicate"),
        ("zz_like_1.png", "near-duplicate"),
        ("leaked4.png", "leakage"),
        ("cut.png", "unreadable"),
        ("page.jpg", "unreadable"),
    }
    details = {finding.file: finding.detail for finding in found.findings}
    assert "good0.png" in details["zz_same_as_0.png"]
    assert re.match(r"good1\.png, mirrored \(similarity", details["zz_like_1.png"])
    assert re.match(r"bench/benchmark4\.png, turned", details["leaked4.png"])
    assert str(tmp_path) not in " ".join(details.values())


def test_good_pictures_are_left_alone(clean):
    found = examine(clean, limits=LIMITS)
    assert found.findings == ()
    assert [one.name for one in found.pictures] == ["deep/good3.png", "good0.png", "good1.png", "good2.png"]


def test_threads_do_not_change_the_result(planted, tmp_path):
    results = [
        make_json(examine(planted, benchmarks=[tmp_path / "bench"], limits=LIMITS, threads=threads))
        for threads in (1, 3)
    ]
    assert results[0] == results[1]


def test_the_larger_of_two_copies_is_kept(clean):
    save(resized(scene(2), 150, 200), clean / "aa_smaller.png")
    found = examine(clean, limits=LIMITS)
    assert [(finding.file, finding.other.name) for finding in found.findings] == [("aa_smaller.png", "good2.png")]


def test_many_copies_make_one_finding_each(clean):
    for number in range(5):
        save(scene(0), clean / f"copy{number}.png")
    found = examine(clean, limits=LIMITS)
    assert len(found.findings) == 5
    assert find_duplicates((), LIMITS) == []


def test_limits_are_obeyed(clean):
    names = ("flat", "blurry", "noisy", "blocky")
    strict = Limits(min_px=128, flat_db=10.0, sharpness_db=20.0, noise_std_8bit=-1.0, blockiness=0.5)
    assert {finding.kind for finding in examine(clean, limits=strict).findings} == {"flat"}  # flat says it all
    strict = Limits(min_px=500, sharpness_db=20.0, noise_std_8bit=-1.0, blockiness=0.5)
    assert {finding.kind for finding in examine(clean, limits=strict).findings} == {"too-small", *names[1:]}
    with pytest.raises(ConfigError, match="similarity must lie in"):
        Limits(similarity=1.5)


def test_shards_are_examined_like_folders(planted, tmp_path):
    pack(planted, tmp_path / "packed", PackSettings(tile_px=128, keep_share=1.0, per_photograph=1, flat_db=99.0))
    found = examine(tmp_path / "packed", limits=LIMITS)
    by_key = {re.sub(r"_\d+_\d+\.webp$", "", file.split("/")[1]): kind for file, kind in kinds_by_file(found)}
    assert by_key["noise"] == "noisy"
    assert by_key["flat"] == "flat"
    shard = next((tmp_path / "packed").glob("train-*.tar"))
    data = bytearray(shard.read_bytes())
    data[700] ^= 255
    shard.write_bytes(data)
    assert "unreadable" in {finding.kind for finding in examine(tmp_path / "packed", limits=LIMITS).findings}
    with pytest.raises(ConfigError, match="cannot be moved out of shards"):
        move_bad_files(found, tmp_path / "bad")


def test_a_benchmark_that_cannot_be_read_or_found_is_an_error(clean, tmp_path):
    with pytest.raises(DataError, match="must be a folder"):
        examine(clean, benchmarks=[tmp_path / "none"], limits=LIMITS)
    (tmp_path / "bench").mkdir()
    with pytest.raises(DataError, match="found none"):
        examine(clean, benchmarks=[tmp_path / "bench"], limits=LIMITS)
    (tmp_path / "bench" / "broken.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"must be readable: broken\.png"):
        examine(clean, benchmarks=[tmp_path / "bench"], limits=LIMITS)


def test_json_holds_measures_limits_and_findings(planted, tmp_path):
    found = json.loads(make_json(examine(planted, benchmarks=[tmp_path / "bench"], limits=LIMITS)))
    assert found["summary"]["pictures"] == 12
    assert found["summary"]["bad"] == 10
    assert found["summary"]["findings"]["unreadable"] == 2
    assert found["limits"]["min_px"] == 128
    noisy = next(one for one in found["pictures"] if one["file"] == "noise.png")
    assert noisy["noise_std_8bit"] == pytest.approx(9, rel=0.15)
    assert found["benchmarks"] == ["bench (2)"]


def test_markdown_has_a_table_per_finding(planted, tmp_path):
    (planted / "a|b.jpg").write_bytes(b"x")
    text = make_markdown(examine(planted, benchmarks=[tmp_path / "bench"], limits=LIMITS))
    for kind in KINDS:
        assert f"\n## {kind}\n" in text
        assert KINDS[kind][1] in text
    assert "| a\\|b.jpg |" in text
    cells = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| ")]
    assert set(cells) <= {3, 5}


def test_the_page_needs_no_other_file_and_shows_pairs(planted, tmp_path):
    (planted / "<b>&.jpg").write_bytes(b"x")
    page = make_html(examine(planted, benchmarks=[tmp_path / "bench"], limits=LIMITS))
    assert "&lt;b&gt;&amp;.jpg" in page
    assert "<b>&" not in page
    assert set(re.findall(r'(?:src|href)="([^"]{0,5})', page)) <= {"data:", *(f"#{kind}"[:5] for kind in KINDS)}
    row = next(line for line in page.splitlines() if "leaked4.png" in line)
    pictures = [read_picture(base64.b64decode(code)).pixels for code in re.findall(r"base64,([^\"]+)\"", row)]
    assert [picture.shape for picture in pictures] == [(128, 96, 3), (96, 128, 3)]
    similar = np.corrcoef(np.rot90(pictures[0], -1).ravel(), pictures[1].ravel())[0, 1]
    assert similar > 0.9  # the pair of the finding, the first one turned back
    for tag in ("table", "h1", "h2", "body", "html", "tr", "td"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>")


def test_a_long_list_keeps_the_page_small(tmp_path):
    for number in range(SHOWN_PER_KIND + 3):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"x")
    page = make_html(examine(tmp_path, limits=LIMITS))
    assert "<summary>3 more</summary>" in page
    assert "062.jpg" in page


def test_bad_files_are_moved_with_their_folders(planted, tmp_path):
    save(np.full((200, 200, 3), 90, dtype=np.uint8), planted / "deep" / "flat.png")
    found = examine(planted, limits=LIMITS)
    moved = move_bad_files(found, tmp_path / "bad")
    assert tmp_path / "bad" / "deep" / "flat.png" in moved
    assert len(moved) == len(found.bad)
    assert examine(planted, limits=LIMITS).findings == ()
    with pytest.raises(ConfigError, match="out of the examined folder"):
        move_bad_files(found, planted / "bad")


def test_moving_replaces_nothing(planted, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "blocks.png").write_text("mine")
    with pytest.raises(DataError, match="would replace it"):
        move_bad_files(examine(planted, limits=LIMITS), tmp_path / "bad")
    assert (tmp_path / "bad" / "blocks.png").read_text() == "mine"
    assert (planted / "blocks.png").exists()


def test_good_files_are_listed_with_their_columns(planted, tmp_path):
    table = tmp_path / "all.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "licence"])
        writer.writerows([["good0.png", "CC0"], ["noise.png", "CC0"], ["deep/good3.png", "BSD"]])
    found = examine(planted, manifest=table, limits=LIMITS)
    assert write_good_manifest(found, tmp_path / "good.csv", table) == 2
    with (tmp_path / "good.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"file": "deep/good3.png", "licence": "BSD"},
            {"file": "good0.png", "licence": "CC0"},
        ]
    assert write_good_manifest(examine(planted, limits=LIMITS), tmp_path / "good.csv") == 5
    assert (tmp_path / "good.csv").read_text().splitlines()[0] == "file"
