import re
from urllib.parse import urlsplit

import pytest

from nlcunet.data.fetching.catalogue import DF2K, MANGA109, SETS, download_bytes, find_set
from nlcunet.data.fetching.open_photos import list_open_photos
from nlcunet.data.fetching.open_photos_packages import PACKAGES
from nlcunet.errors import DataError

ARCHIVES = [archive for found in SETS.values() for alternatives in found.parts for archive in alternatives]
NAMES_INSIDE = {
    "DIV2K_train_HR.zip": ["DIV2K_train_HR/0001.png", "0800.png"],
    "DIV2K_valid_HR.zip": ["DIV2K_valid_HR/0801.png"],
    "Flickr2K.zip": ["Flickr2K/000001.png"],
    "Flickr2K.tar": ["Flickr2K/Flickr2K_HR/002650.png"],
    "Set5_HR.tar.gz": ["Set5_HR/baby.png"],
    "Set14_HR.tar.gz": ["Set14_HR/zebra.png"],
    "BSD100_HR.tar.gz": ["BSD100_HR/3096.png"],
    "Urban100_HR.tar.gz": ["Urban100_HR/img_001.png"],
    "DIV2KRK_public.zip": ["DIV2KRK_public/DIV2KRK/gt/img_1_gt.png", "DIV2KRK/lr_x4/im_1.png"],
    "CID22.zip": ["CID22/original/1001682.png"],
}
"""As public programs that use these archives name them."""


def test_the_sets_of_the_field_are_known():
    assert list(SETS) == [
        "DIV2K",
        "Flickr2K",
        "DF2K",
        "Set5",
        "Set14",
        "BSD100",
        "Urban100",
        "Manga109",
        "DIV2KRK",
        "open-photos",
        "CID22",
    ]
    assert [found.pictures for found in SETS.values()] == [900, 2650, 3450, 5, 14, 100, 100, 109, 100, 490, 250]


def test_names_are_found_whatever_their_capitals():
    assert find_set("div2k") is SETS["DIV2K"]
    with pytest.raises(DataError, match=r"must be one of DIV2K, .*: got 'DIV3K'"):
        find_set("DIV3K")


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.wanted.name)
def test_every_archive_is_described_soundly(archive):
    assert all(urlsplit(url).scheme in {"http", "https"} and urlsplit(url).path for url in archive.wanted.urls)
    digest = archive.wanted.digest
    if digest is not None:
        assert re.fullmatch(r"[0-9a-f]{64}" if digest.algorithm == "sha256" else r"[0-9a-f]{32}", digest.value)
        assert digest.origin
    assert archive.pictures_md5 is None or re.fullmatch(r"[0-9a-f]{32}", archive.pictures_md5)
    assert re.fullmatch(r"[\w.]+", archive.wanted.name)


@pytest.mark.parametrize("name", [name for name, found in SETS.items() if found.parts])
def test_every_way_to_a_set_leads_to_all_of_its_pictures(name):
    first = SETS[name].parts
    for alternatives in first:
        counts = {sum(pick.count or 0 for pick in archive.picks) for archive in alternatives}
        assert len(counts) == 1
    listed = sum(
        pick.count or 0
        for alternatives in first
        for pick in alternatives[0].picks
        if pick.split in {"train", "valid", "test"}
    )
    assert listed == SETS[name].pictures


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.wanted.name)
def test_the_names_inside_the_archives_are_picked(archive):
    inside = NAMES_INSIDE.get(archive.wanted.name, [])
    if archive.wanted.name == "benchmark.tar":
        inside = [f"benchmark/{folder}/HR/x.png" for folder in ("Set5", "Set14", "B100", "Urban100")]
        assert sum(bool(re.fullmatch(archive.picks[0].pattern, name)) for name in inside) == 1
        return
    assert inside
    assert all(any(re.fullmatch(pick.pattern, name) for pick in archive.picks) for name in inside)


def test_reduced_pictures_beside_the_sharp_ones_are_not_picked():
    flickr2k = SETS["Flickr2K"].parts[0][1]
    assert not re.fullmatch(flickr2k.picks[0].pattern, "Flickr2K/Flickr2K_LR_bicubic/X2/000001x2.png")


def test_sizes_add_up():
    assert download_bytes(SETS["DIV2K"]) == 3_530_603_713 + 448_993_893
    assert download_bytes(DF2K) == download_bytes(SETS["DIV2K"]) + download_bytes(SETS["Flickr2K"])
    assert download_bytes(SETS["DIV2KRK"]) is None
    assert download_bytes(MANGA109) is None


def test_manga109_has_109_volumes():
    assert len(set(MANGA109.names)) == 109 == MANGA109.pictures
    assert {"ARMS", "AisazuNihaIrarenai", "YumeiroCooking"} <= set(MANGA109.names)


def test_open_photos_lists_each_photograph_soundly():
    photos = list_open_photos()
    assert len(photos) == len({photo.file for photo in photos}) == SETS["open-photos"].pictures
    assert {photo.package for photo in photos} == set(PACKAGES)
    assert {photo.scale for photo in photos} == {1.0, 0.75, 0.5, 0.35}
    assert {photo.split for photo in photos} == {"train", "valid"}
    for photo in photos:
        assert re.fullmatch(r"[0-9a-f]{64}", photo.source_sha256)
        assert photo.licence
        assert re.fullmatch(r"[\w@.+-]+\.png", photo.file)
        assert min(photo.width, photo.height) >= 512
    for package in PACKAGES.values():
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
        assert re.fullmatch(r"[0-9a-f]{40}", package.sha1)
        assert package.pool_path.startswith("pool/main/")
