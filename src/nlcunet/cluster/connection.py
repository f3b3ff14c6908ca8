"""To a running Ray cluster, or to one of this machine that lasts as long as the batch."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlcunet.errors import ConfigError, DeviceError, install_extra
from nlcunet.runtime import usable_cores

AUTO, LOCAL = "auto", "local"
CLIENT_PROTOCOL = "ray://"

ANSWER_SECONDS = 10.0
"""How long the machine of an address may take to answer."""

LOCAL_STORE_BYTES = 200 * 2**20
"""Ray's store of objects holds names and records here, never pictures; its own default is a third of the memory."""


@dataclass(frozen=True, kw_only=True)
class RayConnection:
    """A cluster that is connected to.

    Attributes:
        is_started_here: whether it was started for this batch.
        is_client: whether this machine is none of the cluster's, and Ray Data has to be run over there.
    """

    is_started_here: bool
    is_client: bool


@contextmanager
def connected(address: str, *, log_to_driver: bool = False) -> Iterator[RayConnection]:
    """Connect to a cluster; a connection that the program has already is used and kept.

    Args:
        address: ``auto`` (the cluster of ``RAY_ADDRESS``, else one that runs on this machine, else one that is started
            here), ``local`` (one that is started here), or ``HOST:PORT`` or ``ray://HOST:PORT`` of a running one.
        log_to_driver: show what workers print.

    Raises:
        ConfigError: Ray is missing.
        DeviceError: there is no cluster at the address.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield RayConnection(is_started_here=False, is_client=ray.util.client.ray.is_connected())
        return
    with _own_signals():
        is_started_here = _connect(ray, address, log_to_driver=log_to_driver)
    try:
        yield RayConnection(is_started_here=is_started_here, is_client=ray.util.client.ray.is_connected())
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """Ray with its data library.

    Raises:
        ConfigError: it is missing.
    """
    try:
        import ray
        import ray.data
        import ray.util.client
    except ImportError as error:
        raise ConfigError(f"--ray needs a library that is missing ({error.name}): {install_extra('ray')}") from error
    return ray


def _connect(ray: Any, address: str, *, log_to_driver: bool) -> bool:
    """Connect; whether a cluster was started for it."""
    options: dict[str, Any] = {"log_to_driver": log_to_driver, "logging_level": "ERROR"}
    if not log_to_driver:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray tells of its own workings as of errors
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS") or AUTO
    try:
        if address == LOCAL or (address == AUTO and _is_note_of_the_dead()):
            return _start(ray, options)
        if address == AUTO:
            try:
                ray.init(address=AUTO, **options)
            except ConnectionError:
                return _start(ray, options)
        else:
            _call(address)
            _check_token(address)
            ray.init(address=address, **options)
    except ImportError as error:
        raise ConfigError(f"{address} needs a library that is missing: pip install 'ray[client]'") from error
    except (ConnectionError, OSError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
        raise DeviceError(
            f"--ray must be auto, local, or the address of a running cluster: got {address}: {_first_line(error)}; "
            "check the address, that Ray and Python are of the versions there, and the cluster's token if it has one"
        ) from error
    return False


def _call(address: str) -> None:
    """Find out whether anything answers at an address: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix(CLIENT_PROTOCOL).partition("/")[0].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()


def _check_token(address: str) -> None:
    """Find out whether a cluster takes this machine's token: Ray itself would try for half a minute, and not say it.

    Where gRPC for Python is missing, nothing is asked.
    """
    try:
        import grpc
    except ImportError:
        return
    is_client = address.startswith(CLIENT_PROTOCOL)
    method = "/ray.rpc.RayletDriver/ClusterInfo" if is_client else "/ray.rpc.NodeInfoGcsService/CheckAlive"
    token = _own_token()
    headers = () if token is None else (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address.removeprefix(CLIENT_PROTOCOL).partition("/")[0]) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=ANSWER_SECONDS, metadata=headers)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                got = "no token" if token is None else "another token"
                raise DeviceError(
                    f"the cluster at {address} must be shown its token: got {got}; set RAY_AUTH_MODE=token, and "
                    "RAY_AUTH_TOKEN to the token, or copy ~/.ray/auth_token from a machine of the cluster"
                ) from error


def _own_token() -> str | None:
    """The token that Ray would show from here: that of the environment, or of a file; none unless it is told to."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return None
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path(os.environ.get("HOME", "/")) / ".ray" / "auth_token"
    with suppress(OSError, UnicodeError):
        return Path(file).read_text(encoding="utf-8").strip() or None
    return None


def _is_note_of_the_dead() -> bool:
    """Whether Ray has a note of a cluster on this machine that nobody answers at; ``auto`` would wait for it."""
    folders = [os.environ.get("RAY_TMPDIR"), os.environ.get("TMPDIR"), "/tmp"]  # noqa: S108 - where Ray looks
    note = next(Path(folder) for folder in folders if folder) / "ray" / "ray_current_cluster"
    try:
        _call(note.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _start(ray: Any, options: dict[str, Any]) -> bool:
    """Start a cluster of this machine alone; it ends with the program."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report over the network that it is used
    ray.init(
        address=LOCAL,
        num_cpus=usable_cores(),
        include_dashboard=False,
        object_store_memory=LOCAL_STORE_BYTES,
        **options,
    )
    return True


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this program does about SIGTERM: Ray would end it with an exit code of its own."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
