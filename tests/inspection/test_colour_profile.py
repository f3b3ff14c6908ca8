"""Names of colour profiles."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from nlcunet.inspection.colour_profile import profile_name


def profile(*tags):
    """A profile of these tags, each a signature and its content."""
    table, content = struct.pack(">I", len(tags)), b""
    for signature, data in tags:
        table += struct.pack(">4sII", signature, 132 + 12 * len(tags) + len(content), len(data))
        content += data
    return bytes(128) + table + content


def localised(**texts):
    """A text in several languages (ICC.1:2022, section 10.15)."""
    records, strings = b"", b""
    for language, text in texts.items():
        encoded = text.encode("utf-16-be")
        records += struct.pack(">2s2sII", language.encode(), b"US", len(encoded), 16 + 12 * len(texts) + len(strings))
        strings += encoded
    return b"mluc" + bytes(4) + struct.pack(">II", len(texts), 12) + records + strings


def described(text):
    """A text in one language (ICC.1:2001-04, section 6.5.17)."""
    encoded = text.encode("latin-1") + b"\x00"
    return b"desc" + bytes(4) + struct.pack(">I", len(encoded)) + encoded + bytes(78)


def test_the_name_of_a_real_profile_is_read():
    assert "sRGB" in profile_name(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def test_names_of_both_versions_are_read():
    assert profile_name(profile((b"wtpt", bytes(20)), (b"desc", described("Adobe RGB (1998)")))) == "Adobe RGB (1998)"
    assert profile_name(profile((b"desc", localised(en="Display P3")))) == "Display P3"


def test_english_comes_first():
    assert profile_name(profile((b"desc", localised(de="Bildschirm", en="Screen")))) == "Screen"
    assert profile_name(profile((b"desc", localised(de="Bildschirm", fr="Écran")))) == "Bildschirm"


def test_commands_for_terminals_are_left_out():
    assert profile_name(profile((b"desc", described("a\x1b[31mb\x07")))) == "a[31mb"


@pytest.mark.parametrize("data", [b"", bytes(131), profile(), profile((b"desc", b"")), profile((b"desc", b"desc"))])
def test_profiles_without_a_name_have_none(data):
    assert profile_name(data) is None


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_damaged_profiles_do_no_harm(data, content):
    for each in (data, bytes(128) + data, profile((b"desc", content)), profile((b"desc", b"mluc" + content))):
        name = profile_name(each)
        assert name is None or (name and name.isprintable())
