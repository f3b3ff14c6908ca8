"""Which cluster is chosen, with a Ray that only notes what is asked of it; real ones are in test_on_ray.py."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlcunet.cluster import connection
from nlcunet.cluster.connection import connected, import_ray
from nlcunet.errors import ConfigError, DeviceError


class NotedRay:
    """Notes addresses; clusters run at some of them."""

    class exceptions:  # noqa: N801 - as Ray calls it
        RayError = type("RayError", (Exception,), {})

    def __init__(self) -> None:
        self.running = {"local"}
        self.asked: list[str] = []
        self.options: dict[str, Any] = {}
        self.is_up = False
        self.util = SimpleNamespace(client=SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: False)))

    def init(self, *, address: str, **options: Any) -> None:
        self.asked.append(address)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray takes it, too
        if address not in self.running:
            raise ConnectionError("Could not find any running Ray instance.\nMore words")
        self.is_up, self.options = True, options

    def is_initialized(self) -> bool:
        return self.is_up

    def shutdown(self) -> None:
        self.is_up = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> NotedRay:
    noted = NotedRay()
    monkeypatch.setattr(connection, "import_ray", lambda: noted)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_BACKEND_LOG_LEVEL"):
        monkeypatch.setenv(name, "0")  # put back after the test
    return noted


@pytest.fixture
def address() -> Iterator[str]:
    """Where something answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def closed_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_auto_takes_the_cluster_of_this_machine(ray: NotedRay) -> None:
    ray.running.add("auto")
    with connected("auto") as found:
        assert not found.is_started_here
    assert ray.asked == ["auto"]
    assert not ray.is_up


def test_auto_starts_a_small_cluster_where_none_runs(ray: NotedRay) -> None:
    with connected("auto") as found:
        assert found.is_started_here
    assert ray.asked == ["auto", "local"]
    assert ray.options["include_dashboard"] is False
    assert ray.options["object_store_memory"] <= 2**28


def test_auto_takes_the_cluster_of_the_environment(
    ray: NotedRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    ray.running.add(address)
    with connected("auto") as found:
        assert not found.is_started_here
    assert ray.asked == [address]


def test_auto_does_not_wait_for_a_cluster_that_died(ray: NotedRay, tmp_path: Path) -> None:
    ray.running.add("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"{closed_address()}\n")
    with connected("auto") as found:
        assert found.is_started_here
    assert ray.asked == ["local"]


def test_local_never_looks_for_another(ray: NotedRay, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    ray.running |= {"auto", address}
    with connected("local"):
        assert ray.asked == ["local"]


@pytest.mark.parametrize("protocol", ["", "ray://"])
def test_where_nothing_answers_ray_is_not_asked(ray: NotedRay, protocol: str) -> None:
    with (
        pytest.raises(DeviceError, match="the address of a running cluster: got"),
        connected(protocol + closed_address()),
    ):
        pass
    assert ray.asked == []


def test_what_ray_complains_of_is_told_in_one_line(ray: NotedRay, address: str) -> None:
    told = pytest.raises(
        DeviceError, match=f"got {address}: Could not find any running Ray instance.; check the address"
    )
    with told, connected(address):
        pass


TOKEN = "a-token-of-the-cluster"  # noqa: S105


@pytest.fixture(params=["", "ray://"])
def guarded(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a cluster that asks for a token, as Ray 2.60 answers."""
    grpc = pytest.importorskip("grpc")

    class Guard(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, go_on: Any, details: Any) -> Any:
            if ("authorization", f"Bearer {TOKEN}") in [tuple(pair) for pair in details.invocation_metadata]:
                return go_on(details)  # which finds no such method here
            refuse = lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")  # noqa: E731
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(1), interceptors=[Guard()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"{request.param}127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ({}, "no token"),
        ({"RAY_AUTH_TOKEN": "wrong", "RAY_AUTH_MODE": "token"}, "another token"),
        ({"RAY_AUTH_TOKEN": TOKEN}, "no token"),  # Ray does not show it unless it is told to
        ({"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "disabled"}, "no token"),
        ({"RAY_AUTH_MODE": "token"}, "no token"),
    ],
)
def test_a_cluster_that_wants_a_token_is_told_at_once(
    ray: NotedRay, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, settings: dict[str, str], got: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(DeviceError, match=f"must be shown its token: got {got}; set RAY_AUTH_MODE=token"),
        connected(guarded),
    ):
        pass
    assert ray.asked == []


@pytest.mark.parametrize("place", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "home"])
def test_the_right_token_is_found(
    ray: NotedRay, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    file = tmp_path / ".ray" / "auth_token"
    file.parent.mkdir()
    if place == "RAY_AUTH_TOKEN":
        monkeypatch.setenv(place, TOKEN)
    elif place == "RAY_AUTH_TOKEN_PATH":
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        monkeypatch.setenv(place, str(tmp_path / "token"))
    else:
        file.write_text(f"{TOKEN}\n")
    ray.running.add(guarded)
    with connected(guarded):
        assert ray.asked == [guarded]


def test_a_connection_that_is_there_is_used_and_kept(ray: NotedRay) -> None:
    ray.is_up = True
    with connected("auto") as found:
        assert not found.is_started_here
    assert ray.asked == []
    assert ray.is_up


def test_the_program_still_ends_itself_when_it_is_asked_to(ray: NotedRay) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with connected("local"):
        assert signal.getsignal(signal.SIGTERM) is before


def test_ray_is_left_when_the_work_fails(ray: NotedRay) -> None:
    with pytest.raises(KeyError), connected("local"):
        raise KeyError
    assert not ray.is_up


def test_a_missing_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match=r"--ray needs a library that is missing .*: pip install '\.\[ray\]'"):
        import_ray()
