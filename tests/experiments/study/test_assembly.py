"""From folders of pictures to a study on disk."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from nlcunet.errors import ConfigError, DataError
from nlcunet.experiments.study.assembly import (
    MIN_DAMAGE_8BIT,
    Design,
    Sources,
    degrade_heavily,
    make_study,
    measure_damage_8bit,
)
from nlcunet.experiments.study.folder import read_study
from nlcunet.imaging.files import Metadata, Picture, read_picture, write_picture


def pixels(path):
    return read_picture(path).pixels


def test_crops_are_cut_from_the_same_place_of_all_systems(study_folder, pictures):
    study = read_study(study_folder)
    assert len(study.crops) == 6
    for crop in study.crops:
        rows, columns = slice(crop.top, crop.top + crop.height), slice(crop.left, crop.left + crop.width)
        for name, file in crop.pictures.items():
            whole = pixels(pictures / name / f"{crop.image}.png")
            np.testing.assert_array_equal(pixels(study_folder / "pictures" / file), whole[rows, columns])


def test_names_of_files_tell_nothing_but_their_content(study_folder):
    files = sorted((study_folder / "pictures").iterdir())
    assert {file.name for file in files} == read_study(study_folder).files()
    for file in files:
        data = file.read_bytes()
        assert file.stem == hashlib.sha256(data).hexdigest()
        assert not read_picture(data).metadata.exif
        assert not any(word in data for word in (b"bicubic", b"nearest", b"half"))


def test_sha256sum_accepts_the_manifest(study_folder):
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("sha256sum is not installed")
    subprocess.run([program, "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=study_folder, check=True)


def test_the_same_seed_makes_the_same_study_and_another_one_another(tmp_path, sources, design, study_folder):
    make_study(tmp_path / "again", sources, design)
    make_study(tmp_path / "other", sources, replace(design, seed=8))
    first, again, other = (
        (folder / "SHA256SUMS").read_text() for folder in (study_folder, tmp_path / "again", tmp_path / "other")
    )
    assert first == again != other


def test_checks_are_the_original_against_something_much_worse(study_folder, pictures):
    study = read_study(study_folder)
    assert len(study.checks) == 2
    for check in study.checks:
        crop = study.crops[check.crop]
        whole = pixels(pictures / "original" / f"{crop.image}.png")
        better, worse = (pixels(study_folder / "pictures" / name) for name in (check.better, check.worse))
        expected = whole[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        np.testing.assert_array_equal(better, expected)
        damage = measure_damage_8bit(better, worse)
        assert damage >= MIN_DAMAGE_8BIT
        others = [measure_damage_8bit(better, pixels(study_folder / "pictures" / f)) for f in crop.pictures.values()]
        assert damage > max(others)  # worse than every system


def test_flat_pictures_make_no_checks(tmp_path):
    flat = np.full((64, 64, 3), 128, dtype=np.uint8)
    assert measure_damage_8bit(flat, degrade_heavily(flat)) < MIN_DAMAGE_8BIT
    for name, value in (("a", 128), ("b", 129)):
        (tmp_path / name).mkdir()
        write_picture(Picture(pixels=np.full_like(flat, value)), tmp_path / name / "x.png")
    made = make_study(tmp_path / "s", Sources(systems={n: tmp_path / n for n in "ab"}), Design(crops_per_image=1))
    assert made.study.checks == ()
    assert any("attention checks: 0 of 1" in note for note in made.notes)


def test_input_and_original_are_shown_if_asked_for(tmp_path, pictures, sources, design):
    made = make_study(
        tmp_path / "s", replace(sources, low_res=pictures / "low_res"), replace(design, shows_original=True)
    ).study
    assert made.question == "Which picture looks more like the original?"
    for crop in made.crops:
        assert crop.low_res_scale == 4
        whole = pixels(pictures / "low_res" / f"{crop.image}.png")
        part = whole[crop.top // 4 :, crop.left // 4 :][: crop.height // 4, : crop.width // 4]
        np.testing.assert_array_equal(pixels(tmp_path / "s" / "pictures" / crop.low_res), part)
        assert pixels(tmp_path / "s" / "pictures" / crop.original).shape == (crop.height, crop.width, 3)
    only_input = make_study(tmp_path / "t", replace(sources, low_res=pictures / "low_res"), design).study
    assert only_input.question == "Which picture is the better enlargement of the input?"
    assert all(crop.original is None for crop in only_input.crops)


def test_a_session_has_about_sixty_comparisons_by_default(tmp_path, sources):
    made = make_study(tmp_path / "s", sources, Design(crop_px=16, crops_per_image=8)).study
    assert len(made.crops) == 24
    assert made.judgements_per_pair * len(made.pairs) == 60
    assert (made.repeats, len(made.checks)) == (4, 4)


def test_16_bit_grey_and_8_bit_colour_compare(tmp_path):
    random = np.random.default_rng(0)
    for name, kind, channels in (("a", np.uint16, 1), ("b", np.uint8, 3)):
        (tmp_path / name).mkdir()
        values = random.integers(0, np.iinfo(kind).max + 1, (40, 40, channels)).astype(kind)
        write_picture(Picture(pixels=values), tmp_path / name / "x.png")
    study = make_study(
        tmp_path / "s", Sources(systems={n: tmp_path / n for n in "ab"}), Design(crop_px=16, crops_per_image=1)
    ).study
    crop = study.crops[0]
    grey = pixels(tmp_path / "s" / "pictures" / crop.pictures["a"])
    whole = pixels(tmp_path / "a" / "x.png")[crop.top : crop.top + 16, crop.left : crop.left + 16]
    expected = np.rint(whole / 257).astype(np.uint8)
    np.testing.assert_array_equal(grey, np.broadcast_to(expected, grey.shape))


def test_profiles_are_kept_if_all_have_the_same(tmp_path):
    profile = make_profile()
    random = np.random.default_rng(0)
    for name, own in (("a", profile), ("b", profile), ("c", None)):
        (tmp_path / name).mkdir()
        picture = Picture(
            pixels=random.integers(0, 255, (40, 40, 3), dtype=np.uint8), metadata=Metadata(icc_profile=own)
        )
        write_picture(picture, tmp_path / name / "x.png")
    small = Design(crop_px=16, crops_per_image=1)
    same = make_study(tmp_path / "s", Sources(systems={n: tmp_path / n for n in "ab"}), small)
    mixed = make_study(tmp_path / "t", Sources(systems={n: tmp_path / n for n in "abc"}), small)
    for made, folder, expected in ((same, "s", profile), (mixed, "t", None)):
        for file in made.study.files():
            assert read_picture(tmp_path / folder / "pictures" / file).metadata.icc_profile == expected
    assert any("profiles of its pictures differ" in note for note in mixed.notes)


def make_profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_sizes_that_differ_are_named(tmp_path, pictures, sources, design):
    shutil.copytree(pictures / "half", tmp_path / "small")
    name = min(file.name for file in (tmp_path / "small").iterdir())
    picture = read_picture(tmp_path / "small" / name)
    write_picture(replace(picture, pixels=picture.pixels[:, 3:]), tmp_path / "small" / name)
    with pytest.raises(DataError, match=rf"small/{name} has 93×96 pixels and .*bicubic/{name} has 96×96"):
        make_study(tmp_path / "s", replace(sources, systems=dict(sources.systems) | {"s": tmp_path / "small"}), design)
    assert not (tmp_path / "s").exists()
    with pytest.raises(DataError, match="a whole number of times larger than their input"):
        make_study(tmp_path / "s", replace(sources, low_res=tmp_path / "small"), design)


def test_images_that_are_missing_are_named(tmp_path, pictures, sources, design):
    shutil.copytree(pictures / "half", tmp_path / "less")
    name = min(file.name for file in (tmp_path / "less").iterdir())
    (tmp_path / "less" / name).rename(tmp_path / "less" / "other.png")
    stem = name.removesuffix(".png")
    less = dict(sources.systems) | {"s": tmp_path / "less"}
    with pytest.raises(DataError, match=r"with the same name before its ending: .*bicubic lacks other"):
        make_study(tmp_path / "s", replace(sources, systems=less), design)
    with pytest.raises(DataError, match=f"less lacks {stem}"):
        make_study(tmp_path / "s", replace(sources, original=tmp_path / "less"), design)
    shutil.copy(pictures / "half" / name, tmp_path / "less" / f"{stem}.tif")
    shutil.copy(pictures / "half" / name, tmp_path / "less" / f"{stem}.png")
    with pytest.raises(DataError, match="must differ before their endings"):
        make_study(tmp_path / "s", replace(sources, original=tmp_path / "less"), design)


def test_an_original_serves_for_all_kernels_of_a_benchmark(tmp_path, pictures, sources, design):
    """``nlcunet bench make`` names inputs after original and kernel."""
    for system in ("half", "bicubic"):
        (tmp_path / system).mkdir()
        for file in (pictures / system).iterdir():
            for kernel in (0, 12):
                shutil.copy(file, tmp_path / system / f"{file.stem}_k{kernel}.png")
    own = replace(sources, systems={system: tmp_path / system for system in ("half", "bicubic")})
    made = make_study(tmp_path / "s", own, replace(design, shows_original=True, repeats=0)).study
    for crop in made.crops:
        whole = pixels(pictures / "original" / f"{crop.image.rpartition('_')[0]}.png")
        shown = pixels(tmp_path / "s" / "pictures" / crop.original)
        np.testing.assert_array_equal(shown, whole[crop.top :, crop.left :][: crop.height, : crop.width])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_px": 8}, "crop-px must be at least 16: got 8"),
        ({"judgements_per_pair": 7}, "at most the number of crops: got 7 for 6 crops"),
        ({"repeats": 5}, "repeats must be at most half of the 9 comparisons: got 5"),
        ({"checks": -1}, "checks must be at least 0"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path, sources, design, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_study(tmp_path / "s", sources, replace(design, **changes))
    assert list(tmp_path.iterdir()) == []


def test_the_original_must_be_there_to_be_shown(tmp_path, sources, design):
    with pytest.raises(ConfigError, match="give --original FOLDER as well"):
        make_study(tmp_path / "s", replace(sources, original=None), replace(design, shows_original=True))


def test_nothing_is_overwritten(study_folder, sources, design):
    before = (study_folder / "SHA256SUMS").read_bytes()
    with pytest.raises(ConfigError, match="is not empty; choose another name"):
        make_study(study_folder, sources, design)
    assert (study_folder / "SHA256SUMS").read_bytes() == before


def test_a_study_that_was_changed_is_refused(study_folder):
    study = read_study(study_folder)
    victim = study_folder / "pictures" / min(study.files())
    victim.write_bytes(victim.read_bytes() + b"!")
    with pytest.raises(DataError, match="must stay as it was made"):
        read_study(study_folder)
    victim.unlink()
    with pytest.raises(DataError, match="must be complete"):
        read_study(study_folder)
    with pytest.raises(DataError, match="made by nlcunet study make"):
        read_study(study_folder / "pictures")


def test_a_study_with_a_bent_description_is_refused(study_folder):
    content = json.loads((study_folder / "study.json").read_text())
    content["crops"][0]["pictures"].pop("half")
    text = json.dumps(content).encode()
    (study_folder / "study.json").write_bytes(text)
    sums = (study_folder / "SHA256SUMS").read_text().splitlines()
    sums[-1] = f"{hashlib.sha256(text).hexdigest()}  study.json"
    (study_folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    with pytest.raises(DataError, match="every crop must have a picture of every system"):
        read_study(study_folder)
