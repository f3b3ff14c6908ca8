import hashlib
import shutil
import urllib.request
from collections import namedtuple
from dataclasses import replace
from http.client import HTTPMessage

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlcunet.errors import DataError
from nlcunet.files.checksums import Digest
from nlcunet.files.download import DownloadListener, Patience, WantedFile, download, urls_at
from nlcunet.files.transport import WrongAddressError, _SafeRedirects, open_url

DATA = bytes(range(256)) * 40


def sha256(data):
    return Digest(algorithm="sha256", value=hashlib.sha256(data).hexdigest(), origin="this test")


def wanted(web, *paths, digest=None, size=None):
    return WantedFile(
        name="set.zip", urls=tuple(web.url + path for path in paths or ("/a",)), digest=digest, size_bytes=size
    )


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_nothing_else_is_left(web, tmp_path, patience):
    web.add("/a", DATA)
    assert download(wanted(web, digest=sha256(DATA), size=len(DATA)), tmp_path / "set.zip", patience=patience) == len(
        DATA
    )
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert leftovers(tmp_path) == ["set.zip"]


def test_a_broken_connection_goes_on_where_it_stopped(web, tmp_path, patience):
    page = web.add("/a", DATA, "cut:4000", "cut:3000")
    assert download(wanted(web), tmp_path / "set.zip", patience=patience) == len(DATA)
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert [seen.get("Range") for seen in page.seen] == [None, "bytes=4000-", "bytes=7000-"]
    assert [seen.get("If-Range") for seen in page.seen] == [None, '"one"', '"one"']


def test_a_later_run_goes_on_where_an_earlier_one_stopped(web, tmp_path, patience):
    page = web.add("/a", DATA, "cut:5000", "404")
    with pytest.raises(DataError, match="goes on where it stopped"):
        download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert download(wanted(web), tmp_path / "set.zip", patience=patience) == len(DATA) - 5000
    assert page.seen[-1]["Range"] == "bytes=5000-"
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_server_that_ignores_ranges_is_heard_from_the_start(web, tmp_path, patience):
    page = web.add("/a", DATA, "cut:4000", has_ranges=False)
    assert download(wanted(web), tmp_path / "set.zip", patience=patience) == len(DATA) + 4000
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert page.seen[1]["Range"] == "bytes=4000-"


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(web, tmp_path, patience):
    page = web.add("/a", DATA, *["cut:4000"] * 9, has_ranges=False)
    with pytest.raises(DataError, match=r"broke off after 4,000 of 10,240 bytes"):
        download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert len(page.seen) == patience.attempts


@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_a_file_that_changes_between_attempts_is_not_pieced_together(web, tmp_path, patience, obeys_if_range):
    page = web.add("/a", DATA, "cut:4000", "404", obeys_if_range=obeys_if_range)
    with pytest.raises(DataError):
        download(wanted(web), tmp_path / "set.zip", patience=patience)
    page.data, page.etag = DATA[::-1], '"two"'
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA[::-1]


def test_without_version_or_checksum_a_file_starts_over(web, tmp_path, patience):
    page = web.add("/a", DATA, "cut:4000", etag=None)
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert [seen.get("Range") for seen in page.seen] == [None, None]


def test_with_a_checksum_a_file_goes_on_without_a_version(web, tmp_path, patience):
    page = web.add("/a", DATA, "cut:4000", etag=None)
    download(wanted(web, digest=sha256(DATA)), tmp_path / "set.zip", patience=patience)
    assert page.seen[1]["Range"] == "bytes=4000-"


def test_pieces_of_two_versions_are_told_by_the_checksum_and_start_over(web, tmp_path, patience):
    page = web.add("/a", DATA[::-1], "cut:4000", "404", etag=None)
    with pytest.raises(DataError):
        download(wanted(web, digest=sha256(DATA)), tmp_path / "set.zip", patience=patience)
    page.data = DATA
    said = []
    download(
        wanted(web, digest=sha256(DATA)),
        tmp_path / "set.zip",
        patience=patience,
        listener=DownloadListener(say=said.append),
    )
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert any("once more from the start" in sentence for sentence in said)


def test_a_stalled_connection_is_left_and_goes_on(web, tmp_path, patience):
    page = web.add("/a", DATA, "stall")
    download(wanted(web), tmp_path / "set.zip", patience=replace(patience, silence_s=1.0))
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert page.seen[1]["Range"] == f"bytes={len(DATA) // 2}-"


def test_a_trickle_is_not_waited_for(web, tmp_path, patience):
    page = web.add("/a", DATA, "trickle")
    download(wanted(web), tmp_path / "set.zip", patience=replace(patience, slow_s=0.2))
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert len(page.seen) == 2


@pytest.mark.parametrize("status", ["503", "429", "500"])
def test_a_busy_server_is_asked_again(web, tmp_path, patience, status):
    page = web.add("/a", DATA, status, status)
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert len(page.seen) == 3


@pytest.mark.parametrize("status", ["404", "403", "410"])
def test_a_server_that_refuses_is_not_asked_again_but_the_next_mirror_is(web, tmp_path, patience, status):
    first, second = web.add("/a", DATA, status), web.add("/b", DATA)
    download(wanted(web, "/a", "/b"), tmp_path / "set.zip", patience=patience)
    assert (len(first.seen), len(second.seen)) == (1, 1)


def test_a_mirror_continues_another_only_with_a_checksum(web, tmp_path, patience):
    for digest, expected in ((None, None), (sha256(DATA), "bytes=4000-")):
        web.add("/a", DATA, "cut:4000", "404")
        mirror = web.add("/b", DATA)
        target = tmp_path / f"{expected}.zip"
        download(wanted(web, "/a", "/b", digest=digest), target, patience=patience)
        assert mirror.seen[0].get("Range") == expected
        assert target.read_bytes() == DATA


def test_redirects_are_followed_and_keep_the_range(web, tmp_path, patience):
    web.add("/a", b"", "to:/b", "to:/b")
    page = web.add("/b", DATA, "cut:4000")
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert page.seen[1]["Range"] == "bytes=4000-"


def test_redirects_away_from_the_web_are_refused(web, tmp_path, patience):
    web.add("/a", b"", "to:file:///etc/hostname")
    with pytest.raises(DataError, match=r"set\.zip must come from one of 1 addresses"):
        download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert leftovers(tmp_path) == []


def test_redirects_from_https_to_http_are_refused():
    request = urllib.request.Request("https://pictures.invalid/a")
    with pytest.raises(WrongAddressError, match="not as safe"):
        _SafeRedirects().redirect_request(request, None, 302, "", HTTPMessage(), "http://pictures.invalid/a")


def test_wrong_bytes_are_refused_and_kept_aside(web, tmp_path, patience):
    web.add("/a", DATA[::-1])
    with pytest.raises(DataError, match=r"must have the SHA256 [0-9a-f]{64}: got [0-9a-f]{64}; it is not used"):
        download(wanted(web, digest=sha256(DATA)), tmp_path / "set.zip", patience=patience)
    assert leftovers(tmp_path) == ["set.zip.refused"]
    assert (tmp_path / "set.zip.refused").read_bytes() == DATA[::-1]


def test_a_wrong_length_is_refused_before_anything_is_loaded(web, tmp_path, patience):
    web.add("/a", DATA)
    with pytest.raises(DataError, match=r"has 10,240 bytes, not the 9,999 of set.zip"):
        download(wanted(web, size=9999), tmp_path / "set.zip", patience=patience)
    assert leftovers(tmp_path) == []


def test_more_than_the_known_length_is_refused(web, tmp_path, patience):
    web.add("/a", DATA, "more")
    with pytest.raises(DataError, match=r"sends more than the 10,240 bytes"):
        download(wanted(web, size=len(DATA)), tmp_path / "set.zip", patience=patience)
    assert not (tmp_path / "set.zip").exists()


def test_a_file_of_unknown_length_is_taken(web, tmp_path, patience):
    web.add("/a", DATA, "unmeasured")
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA


@pytest.mark.parametrize(("act", "message"), [("html", "a web page instead of the file"), ("gzip", "encoded as gzip")])
def test_pages_and_encoded_files_are_refused(web, tmp_path, patience, act, message):
    web.add("/a", DATA, act)
    with pytest.raises(DataError, match=message):
        download(wanted(web), tmp_path / "set.zip", patience=patience)


def test_a_complete_part_of_an_earlier_run_needs_no_request(web, tmp_path, patience):
    page = web.add("/a", DATA)
    (tmp_path / "set.zip.part").write_bytes(DATA)
    assert download(wanted(web, size=len(DATA), digest=sha256(DATA)), tmp_path / "set.zip", patience=patience) == 0
    assert page.seen == []
    assert leftovers(tmp_path) == ["set.zip"]


def test_a_part_that_is_longer_than_the_file_starts_over(web, tmp_path, patience):
    web.add("/a", DATA)
    (tmp_path / "set.zip.part").write_bytes(DATA * 2)
    download(wanted(web, digest=sha256(DATA)), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_file_that_is_there_is_checked_and_taken(web, tmp_path, patience):
    (tmp_path / "set.zip").write_bytes(DATA)
    assert download(wanted(web, digest=sha256(DATA)), tmp_path / "set.zip", patience=patience) == 0
    with pytest.raises(DataError, match="remove it and run the command again"):
        download(wanted(web, digest=sha256(b"other")), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_full_disk_is_told_before(web, tmp_path, patience, monkeypatch):
    web.add("/a", DATA)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 2000))
    with pytest.raises(DataError, match=r"must have 0.07 GB free for set.zip: it has 0.00 GB"):
        download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert not (tmp_path / "set.zip.part").exists()


def test_a_disk_that_cannot_be_written_is_told(web, tmp_path, patience):
    web.add("/a", DATA)
    (tmp_path / "set.zip.part").mkdir()
    with pytest.raises(DataError, match="must be a file that can be written"):
        download(wanted(web), tmp_path / "set.zip", patience=patience)


def test_all_addresses_and_what_to_do_are_told(web, tmp_path, patience):
    missing = WantedFile(name="set.zip", urls=(f"{web.url}/none", "http://127.0.0.1:9/a", "ftp://pictures.invalid/a"))
    with pytest.raises(
        DataError, match=r"HTTP 404.*127\.0\.0\.1:9/a.*http:// or https://.*HTTP_PROXY.*put the file at"
    ):
        download(missing, tmp_path / "set.zip", patience=patience)


def test_the_proxy_of_the_environment_gets_the_request(web, tmp_path, patience, monkeypatch):
    page = web.add("http://pictures.invalid/a", DATA)
    monkeypatch.setenv("HTTP_PROXY", web.url)
    download(WantedFile(name="set.zip", urls=("http://pictures.invalid/a",)), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA
    assert page.seen[0]["Host"] == "pictures.invalid"


def test_no_proxy_is_respected(web, tmp_path, patience, monkeypatch):
    web.add("/a", DATA)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download(wanted(web), tmp_path / "set.zip", patience=patience)
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_a_proxy_that_is_given_wins(web, tmp_path, patience):
    web.add("http://pictures.invalid/a", DATA)
    asked = WantedFile(name="set.zip", urls=("http://pictures.invalid/a",))
    download(asked, tmp_path / "set.zip", patience=patience, proxies={"http": web.url})
    assert (tmp_path / "set.zip").read_bytes() == DATA


def test_progress_is_told_up_to_the_end(web, tmp_path, patience):
    web.add("/a", DATA, "cut:4000")
    moves = []
    download(
        wanted(web),
        tmp_path / "set.zip",
        patience=patience,
        listener=DownloadListener(move=lambda *move: moves.append(move)),
    )
    assert moves[-1] == ("set.zip", len(DATA), len(DATA))
    assert [done for _, done, _ in moves] == sorted(done for _, done, _ in moves)


def test_a_weak_version_is_not_used_to_continue(web):
    web.add("/a", DATA, etag='W/"weak"')
    answer = open_url(f"{web.url}/a")
    with answer.body:
        assert answer.validator is None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 3000), max_size=6), has_ranges=st.booleans())
def test_however_it_breaks_the_file_is_the_same(web, tmp_path, cuts, has_ranges):
    web.add("/a", DATA, *[f"cut:{cut}" for cut in cuts], has_ranges=has_ranges)
    target = tmp_path / "set.zip"
    target.unlink(missing_ok=True)
    download(wanted(web), target, patience=Patience(attempts=9, first_wait_s=0.001, silence_s=2.0))
    assert target.read_bytes() == DATA


def test_mirrors_are_named_once():
    assert urls_at(["http://a/debian/", "http://b", "http://a/debian"], "pool/x") == (
        "http://a/debian/pool/x",
        "http://b/pool/x",
    )
