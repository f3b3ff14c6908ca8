import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nlcunet.data.fetching.catalogue import SETS, Archive, Pick, PictureSet
from nlcunet.files.download import WantedFile

Run = Callable[..., Any]


QuietHandler = type("QuietHandler", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})


@pytest.fixture
def _tiny(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A set of two pictures on a server of its own."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    served = tmp_path_factory.mktemp("served")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.png", b"first")
        file.writestr("b.png", b"second")
    (served / "tiny.zip").write_bytes(buffer.getvalue())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    wanted = WantedFile(name="tiny.zip", urls=(f"http://127.0.0.1:{server.server_address[1]}/tiny.zip",))
    made = PictureSet(
        name="Tiny",
        pictures=2,
        use="tests",
        licence="CC0-1.0",
        terms="free: CC0-1.0",
        citation="Nobody: Nothing. 2026",
        homepage="http://pictures.invalid",
        parts=((Archive(wanted=wanted, picks=(Pick(pattern=r"\w\.png", count=2),)),),),
    )
    monkeypatch.setitem(SETS, "Tiny", made)
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_list_shows_pictures_size_and_terms(nlcunet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = nlcunet("data", "fetch", "--list").stdout.splitlines()
    assert lines[0].split() == ["set", "pictures", "download", "for", "terms"]
    div2k = next(line for line in lines if line.startswith("DIV2K "))
    assert all(word in div2k for word in ("900", "4.0 GB", "training (800) and validation (100)", "research"))
    assert any(line.startswith("Manga109") and "by hand" in line for line in lines)
    assert any(line.startswith("open-photos") and "1.1 GB" in line for line in lines)


def test_the_list_is_told_as_json(nlcunet: Run) -> None:
    listed = json.loads(nlcunet("data", "fetch", "--list", "--json").stdout)
    assert [entry["name"] for entry in listed] == list(SETS)
    assert listed[0]["files"][0]["checksum"].startswith("sha256:9d0b9c463f6e35b6")
    assert listed[0]["download_bytes"] == 3_979_597_606


@pytest.mark.usefixtures("_tiny")
def test_a_set_is_fetched_once_and_checked(nlcunet: Run, tmp_path: Path) -> None:
    done = nlcunet("data", "fetch", "tiny", "-o", "sets")
    assert done.exit_code == 0
    assert "2 pictures" in done.stdout
    assert "please cite: Nobody" in done.stdout
    assert "nobody has published a checksum of tiny.zip" in done.stderr
    assert (tmp_path / "sets/Tiny/b.png").read_bytes() == b"second"
    assert "was there" in nlcunet("data", "fetch", "Tiny", "-o", "sets").stdout
    assert "every byte as in the manifest" in nlcunet("data", "fetch", "Tiny", "-o", "sets", "--check").stdout


@pytest.mark.usefixtures("_tiny")
def test_what_was_done_is_told_as_json(nlcunet: Run) -> None:
    told = json.loads(nlcunet("data", "fetch", "Tiny", "--json").stdout)
    assert (told["name"], told["pictures"], told["was_there"], told["missing"]) == ("Tiny", 2, False, [])
    assert told["folder"] == str(Path("datasets/Tiny"))
    assert told["downloaded_bytes"] > 0
    checked = json.loads(nlcunet("data", "fetch", "Tiny", "--check", "--json").stdout)
    assert (checked["pictures"], checked["has_manifest"], checked["problems"]) == (2, True, [])


@pytest.mark.usefixtures("_tiny")
def test_a_damaged_set_fails_its_check(nlcunet: Run, tmp_path: Path) -> None:
    nlcunet("data", "fetch", "Tiny")
    (tmp_path / "datasets/Tiny/a.png").write_bytes(b"damaged")
    checked = nlcunet("data", "fetch", "Tiny", "--check")
    assert checked.exit_code == 1
    assert "a.png: has other bytes than when it was fetched" in checked.stderr


def test_missing_photographs_leave_with_1(nlcunet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlcunet.data.fetching import open_photos
    from nlcunet.data.fetching.sets import Fetched

    fetched = Fetched(
        name="open-photos", folder=tmp_path, pictures=489, was_there=False, missing=("a.png: has changed",)
    )
    monkeypatch.setattr(open_photos, "fetch_open_photos", lambda *_, **__: fetched)
    done = nlcunet("data", "fetch", "open-photos")
    assert done.exit_code == 1
    assert "missing: a.png: has changed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs the name of a set"),
        (("DIV3K",), "the set must be one of DIV2K"),
        (("Manga109",), "may not be downloaded by a program"),
        (("Set5", "--check"), "must be a folder to be checked"),
    ],
)
def test_what_cannot_start_leaves_with_2(nlcunet: Run, arguments: tuple[str, ...], message: str) -> None:
    done = nlcunet("data", "fetch", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
