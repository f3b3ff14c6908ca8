import hashlib
from dataclasses import replace

import numpy as np
import pytest

from nlcunet.data.fetching import debian, jpegxl, open_photos
from nlcunet.data.fetching.catalogue import OPEN_PHOTOS
from nlcunet.data.fetching.debian import Package
from nlcunet.data.fetching.open_photos import OpenPhoto, fetch_open_photos, scale_photo
from nlcunet.data.fetching.sets import check_set
from nlcunet.data.photographs import list_photographs
from nlcunet.errors import DataError, UnreadableImageError
from nlcunet.imaging.files import Metadata, Picture, encode_picture, read_picture, readable_formats

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
PNG = encode_picture(Picture(pixels=PIXELS), file_format="png")


def photo(name, data=PNG, *, width=32, height=24, path=None, package="pictures"):
    return OpenPhoto(
        file=f"{name}.png",
        split="valid" if name == "b" else "train",
        width=width,
        height=height,
        scale=width / 32,
        package=package,
        path=path or f"usr/share/{name}.png",
        source_sha256=hashlib.sha256(data).hexdigest(),
        licence="CC0-1.0",
        holder="Ada, 1843",
    )


@pytest.fixture
def offer(web, debian_package, programs, monkeypatch):
    """Puts a package with these files on the only mirror; there is no apt."""
    monkeypatch.setattr(debian, "MIRROR", f"{web.url}/debian")
    monkeypatch.setattr(debian, "SNAPSHOT", f"{web.url}/file")

    def offer(files, name="pictures"):
        data = debian_package(files)
        made = Package(
            name=name,
            suite="sid",
            pool_path=f"pool/{name}_1_all.deb",
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            sha1="0" * 40,
        )
        monkeypatch.setitem(open_photos.PACKAGES, name, made)
        return web.add(f"/debian/{made.pool_path}", data)

    return offer


def test_photographs_come_out_of_packages_as_png_with_licence_and_holder(offer, tmp_path, patience):
    offer({"usr/share/a.png": PNG, "usr/share/b.png": PNG, "usr/share/other.png": b"not wanted"})
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=[photo("a"), photo("b")], patience=patience)
    folder = tmp_path / "open-photos"
    assert (done.pictures, done.missing) == (2, ())
    assert np.array_equal(read_picture(folder / "a.png").pixels, PIXELS)
    paths, licence = list_photographs(folder, folder / "manifest.csv", "valid")
    assert ([path.name for path in paths], licence) == (["b.png"], "CC0-1.0 (1)")
    assert 'pictures_1_all.deb (Debian sid):usr/share/a.png,"Ada, 1843"' in (folder / "manifest.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "programs") == [".downloads", "open-photos"]
    assert list((tmp_path / ".downloads").iterdir()) == []


def test_photographs_that_changed_or_went_are_told_and_the_rest_is_kept(offer, tmp_path, patience):
    offer({"usr/share/a.png": PNG, "usr/share/b.png": b"another picture"})
    photos = [photo("a"), photo("b"), photo("c")]
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=photos, patience=patience)
    assert done.pictures == 1
    assert done.missing == (
        "b.png: usr/share/b.png has changed in pictures_1_all.deb",
        "c.png: pictures_1_all.deb does not have usr/share/c.png",
    )
    assert "the manifest lists 1 of 490 pictures" in check_set(OPEN_PHOTOS, tmp_path).problems


def test_the_next_run_tries_only_for_those_that_are_missing(offer, tmp_path, patience):
    offer({"usr/share/a.png": PNG})
    photos = [photo("a"), photo("b", package="later")]
    offer({}, "later")
    assert fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=photos, patience=patience).pictures == 1
    page = offer({"usr/share/b.png": PNG}, "later")
    first = offer({"usr/share/a.png": PNG})
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=photos, patience=patience)
    assert (done.pictures, done.missing, len(page.seen), len(first.seen)) == (2, (), 1, 0)
    assert fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=photos, patience=patience).was_there


def test_an_unreachable_package_does_not_stop_the_others(offer, web, tmp_path, patience):
    offer({"usr/share/a.png": PNG})
    offer({"usr/share/b.png": PNG}, "gone").script = ["404"] * 9
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=[photo("a"), photo("b", package="gone")], patience=patience)
    assert done.pictures == 1
    assert "HTTP 404" in done.missing[0]
    assert "other versions need apt" in done.missing[0]


def test_other_versions_step_in_for_what_has_changed(offer, tmp_path, patience, debian_package, programs):
    offer({"usr/share/a.png": PNG})
    (tmp_path / "older.deb").write_bytes(debian_package({"usr/share/b.png": PNG}))
    programs("apt-config", "")
    programs(
        "apt-get",
        'case "$*" in\n*update) ;;\n'
        f"""*--print-uris*) echo "'http://m.invalid/p_0_all.deb' p_0_all.deb 5 SHA256:{"a" * 64}";;\n"""
        f"*download*) cp {tmp_path}/older.deb p_0_all.deb;;\nesac",
    )
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=[photo("a"), photo("b")], patience=patience)
    assert (done.pictures, done.missing) == (2, ())


def test_none_at_all_is_an_error_and_leaves_no_set(offer, tmp_path, patience):
    offer({})
    with pytest.raises(DataError, match=r"must be had: got none of 1; pictures_1_all\.deb does not"):
        fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=[photo("a")], patience=patience)
    assert not (tmp_path / "open-photos").exists()


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    (tmp_path / "open-photos").mkdir()
    with pytest.raises(DataError, match="must be free, or a set that was fetched"):
        fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=[photo("a")])


def test_scaling_gives_the_size_of_the_list_and_keeps_only_the_profile():
    picture = Picture(pixels=PIXELS, metadata=Metadata(xmp=b"<x/>", icc_profile=b"profile"))
    half = scale_photo(picture, photo("a", width=16, height=12))
    assert half.pixels.shape == (12, 16, 3)
    assert half.metadata == Metadata(icc_profile=b"profile")
    assert abs(half.pixels.mean() - PIXELS.mean()) < 2


def test_grey_and_16_bit_become_8_bit_rgb():
    deep = np.full((24, 32, 1), 257 * 100, dtype=np.uint16)
    scaled = scale_photo(Picture(pixels=deep), photo("a"))
    assert scaled.pixels.shape == (24, 32, 3)
    assert np.unique(scaled.pixels).tolist() == [100]


@pytest.mark.skipif("jxl" in readable_formats(), reason="this libvips decodes JPEG XL itself")
def test_jpegxl_that_nothing_decodes_is_told_before_anything_is_downloaded(offer, tmp_path, patience, monkeypatch):
    monkeypatch.setattr(jpegxl, "find_spec", lambda _: None)
    page = offer({"usr/share/x.jxl": b"jxl"}, "swirls")
    offer({"usr/share/a.png": PNG})
    photos = [photo("a"), photo("x", package="swirls", path="usr/share/x.jxl")]
    done = fetch_open_photos(OPEN_PHOTOS, tmp_path, photos=photos, patience=patience)
    assert (done.pictures, len(page.seen)) == (1, 0)
    assert done.missing[0].startswith("x.png: JPEG XL, which nothing here decodes; pip install")
    with pytest.raises(UnreadableImageError, match="nothing here reads"):
        jpegxl.read_jpegxl(tmp_path / "x.jxl")


@pytest.mark.skipif("jxl" in readable_formats(), reason="this libvips decodes JPEG XL itself")
def test_jpegxl_is_decoded_by_djxl(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(jpegxl, "find_spec", lambda _: None)
    programs("djxl", 'grep -q PNG "$1" && cp "$1" "$2" || { echo damaged >&2; exit 1; }')
    (tmp_path / "x.jxl").write_bytes(PNG)
    assert jpegxl.jpegxl_decoder() == "djxl"
    assert np.array_equal(jpegxl.read_jpegxl(tmp_path / "x.jxl").pixels, PIXELS)
    (tmp_path / "x.jxl").write_bytes(b"broken")
    with pytest.raises(UnreadableImageError, match="whole JPEG XL file: got damaged"):
        jpegxl.read_jpegxl(tmp_path / "x.jxl")


@pytest.mark.skipif("jxl" in readable_formats(), reason="this libvips decodes JPEG XL itself")
def test_jpegxl_is_decoded_by_the_plugin_of_pillow(programs, tmp_path, monkeypatch):
    (tmp_path / "pillow_jxl.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "x.jxl").write_bytes(PNG)
    assert jpegxl.jpegxl_decoder() == "pillow"
    assert np.array_equal(jpegxl.read_jpegxl(tmp_path / "x.jxl").pixels, PIXELS)
    (tmp_path / "x.jxl").write_bytes(b"broken")
    with pytest.raises(UnreadableImageError, match="must be a whole JPEG XL file"):
        jpegxl.read_jpegxl(tmp_path / "x.jxl")


def test_a_list_entry_is_a_photograph_of_its_package():
    first = open_photos.list_open_photos()[0]
    assert replace(first, holder="") == first
    assert (first.file, first.package, first.scale) == (
        "budgie-backgrounds-abstract-spiral.png",
        "budgie-backgrounds",
        1.0,
    )
