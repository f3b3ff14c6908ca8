from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from nlcunet.cluster import places as places_module
from nlcunet.cluster.places import Places, existing, open_store
from nlcunet.cluster.run import Batch, plan_batch
from nlcunet.errors import ConfigError

from .conftest import WatchedStore


def fill(memory: MemoryFileSystem, *names: str) -> None:
    for name in names:
        memory.pipe_file(name, b"a picture")


def targets(batch: Batch) -> dict[str, str]:
    """By the end of the source."""
    return {order.source.rpartition("/")[2]: order.target for order in batch.orders}


def test_results_have_the_names_of_their_inputs(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png", "/in/b.JPEG", "/in/c.gif.webp", "/in/notes.txt", "/in/.hidden.png")
    batch = plan_batch(["memory://in"], "memory://out/")
    assert targets(batch) == {
        "a.png": "memory://out/a.png",
        "b.JPEG": "memory://out/b.JPEG",
        "c.gif.webp": "memory://out/c.gif.webp",
    }
    assert [order.number for order in batch.orders] == [0, 1, 2]
    assert batch.manifest == "memory://out/manifest.jsonl"


def test_a_folder_is_searched_without_its_folders_unless_asked(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png", "/in/deep/er/b.png", "/in/.git/c.png")
    assert targets(plan_batch(["memory://in/"], "memory://out")) == {"a.png": "memory://out/a.png"}
    tree = plan_batch(["memory://in/"], "memory://out", recursive=True)
    assert targets(tree) == {"a.png": "memory://out/a.png", "b.png": "memory://out/deep/er/b.png"}


def test_local_and_remote_places_mix(memory: MemoryFileSystem, tmp_path: Path) -> None:
    fill(memory, "/in/a.png")
    (tmp_path / "b.png").touch()
    batch = plan_batch(["memory://in", f"file://{tmp_path}/b.png"], str(tmp_path / "out"))
    assert [order.source for order in batch.orders] == ["memory:///in/a.png", f"{tmp_path}/b.png"]
    assert targets(batch) == {"a.png": f"{tmp_path}/out/a.png", "b.png": f"{tmp_path}/out/b.png"}


def test_without_an_output_results_lie_beside_their_inputs_and_no_manifest_does(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png", "/in/a_x2.png")
    batch = plan_batch(["memory://in"], None, size_suffix="_x2")
    assert targets(batch) == {"a.png": "memory:///in/a_x2.png"}
    assert batch.left_out == ("memory:///in/a_x2.png",)
    assert batch.manifest is None


def test_one_picture_may_have_a_file_as_its_result(memory: MemoryFileSystem) -> None:
    batch = plan_batch(["memory://in/a.png"], "memory://out/b.webp")
    assert targets(batch) == {"a.png": "memory://out/b.webp"}
    assert batch.manifest is None
    assert plan_batch(["memory://in/a.png"], "memory://out/b.webp", manifest="memory://m").manifest == "memory://m"


def test_results_that_would_share_a_name_are_told_apart(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png", "/in/a.jpg")
    batch = plan_batch(["memory://in"], "memory://out", file_format="webp")
    assert targets(batch) == {"a.jpg": "memory://out/a.jpg.webp", "a.png": "memory://out/a.png.webp"}


def test_a_result_never_replaces_its_input(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png")
    with pytest.raises(ConfigError, match="must not replace its input"):
        plan_batch(["memory://in"], "memory://in", suffix="")


def test_patterns_choose_among_the_objects(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a1.png", "/in/a2.png", "/in/b1.png", "/in/a3.png/deep.png", "/in/a[1].png")
    assert set(targets(plan_batch(["memory://in/a*.png"], "memory://out"))) == {"a1.png", "a2.png", "a[1].png"}
    assert set(targets(plan_batch(["memory://in/a[1].png"], "memory://out"))) == {"a[1].png"}
    assert targets(plan_batch(["memory://in/*/*"], "out/")) == {"deep.png": "out/deep.png"}


def test_an_object_whose_name_says_nothing_is_taken_as_a_picture(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/scan")
    assert targets(plan_batch(["memory://in/scan"], "memory://out/")) == {"scan": "memory://out/scan.png"}


def test_names_that_lead_out_of_the_output_are_left_out(memory: MemoryFileSystem) -> None:
    fill(memory, "/in/a.png")
    MemoryFileSystem.store["/in/../../up.png"] = MemoryFileSystem.store["/in/a.png"]
    assert set(targets(plan_batch(["memory://in"], "out", recursive=True))) == {"a.png"}


def test_an_address_of_the_web_gives_the_name_and_keeps_its_question(memory: MemoryFileSystem) -> None:
    url = "http://127.0.0.1:9/photos/my%20cat.jpg?size=full&key=a/b"
    batch = plan_batch([url], "out/")
    assert batch.orders[0].source == url
    assert batch.orders[0].target == "out/my cat.jpg"


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["memory://in"], "memory://out", "found none in memory://in"),
        (["-"], "memory://out", "takes no pipes"),
        (["memory://in/a.png"], "-", "takes no pipes"),
        (["memory://in/a.png"], "https://example.org/out", "must go to a folder or an object store"),
        (["https://example.org/a.png"], None, "must not replace its input: got https://example.org/a.png for both"),
        (["nonsense://in/a.png", "nonsense://in"], "out", "one that fsspec opens: got nonsense://in"),
        (["memory://in/a.png"], "nonsense://out/", "one that fsspec opens: got nonsense://out"),
        (["zip://*.png::memory://in.zip"], "out", "must name one store"),
    ],
)
def test_what_cannot_be_is_told(
    memory: MemoryFileSystem, *, inputs: list[str], output: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_batch(inputs, output)


def test_beside_a_picture_of_the_web_nothing_can_be_written() -> None:
    with pytest.raises(ConfigError, match="must go to a folder or an object store: got https://example"):
        plan_batch(["https://example.org/photos/a.png"], None, size_suffix="_x2")


def test_a_missing_package_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def url_to_fs(_url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(places_module, "url_to_fs", url_to_fs)
    with pytest.raises(ConfigError, match="s3:// needs a package that is missing: Install s3fs"):
        open_store("s3://bucket/in")


def test_a_store_that_does_not_answer_is_told(watched: type[WatchedStore]) -> None:
    watched.errors[:] = [RuntimeError("no credentials")]
    with pytest.raises(ConfigError, match="got RuntimeError from watched://in: no credentials"):
        plan_batch(["watched://in"], "out")
    watched.errors[:] = [RuntimeError("no credentials")]
    with pytest.raises(ConfigError, match="got RuntimeError from watched://out"):
        existing(["watched://out/a.png"])


def test_results_that_are_there_are_found_with_one_look_per_folder(
    watched: type[WatchedStore], memory: MemoryFileSystem, tmp_path: Path
) -> None:
    fill(memory, "/out/a.png", "/out/b.png", "/out/deep/a.png")
    memory.touch("/out/empty.png")
    here = tmp_path / "here.png"
    here.write_bytes(b"picture")
    (tmp_path / "empty.png").touch()
    there = ["watched://out/a.png", "watched://out/b.png", str(here)]
    missing = ["watched://out/c.png", "watched://nowhere/a.png", str(tmp_path / "missing.png")]
    missing += ["watched://out/empty.png", str(tmp_path / "empty.png")]
    assert existing([*there, *missing]) == set(there)
    assert watched.done == [("ls", "/out"), ("ls", "/nowhere")]


NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(lambda name: name != ".")


@given(protocol=st.sampled_from(["s3", "gs", "memory", "abfs"]), parts=st.lists(NAME, min_size=1, max_size=4))
def test_a_url_survives_being_a_path(protocol: str, parts: list[str]) -> None:
    url = f"{protocol}://bucket/{'/'.join(parts)}"
    assert Places().name_of(Path(url)) == url


@given(path=st.lists(NAME, min_size=1, max_size=4).map("/".join))
def test_a_path_stays_one(path: str) -> None:
    assert Places().name_of(Path("/", path)) == str(Path("/", path))
