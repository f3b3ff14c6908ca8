"""Connections: headers that do not come, more clients than there may be, few open files, and how all of it is told."""

import json
import logging
import resource
import socket
import sys
import threading
import warnings
from functools import partial

import pytest
import uvicorn

from nlcunet.server import connections
from nlcunet.server.connections import LimitedConnection, connections_within
from nlcunet.server.logs import log_to_stderr
from nlcunet.server.run import bind

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def hello(scope, receive, send):
    """The shortest application."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def connect():
    """Makes connections to a server of at most two."""
    listener = bind("127.0.0.1", 0)
    http = partial(LimitedConnection, most=2)
    server = uvicorn.Server(uvicorn.Config(hello, http=http, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    opened = []

    def connect():
        opened.append(socket.create_connection(listener.getsockname(), timeout=20))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()
    server.should_exit = True
    thread.join()


def read_until(connection, end):
    """What comes, up to an end; or until it is closed."""
    data = b""
    while not data.endswith(end) or not end:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_connection_whose_headers_do_not_come_is_closed(connect, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.05)
    connection = connect()
    connection.sendall(sent)
    assert read_until(connection, b"") == b""


def test_a_kept_connection_whose_next_headers_do_not_come_is_closed(connect, monkeypatch):
    connection = connect()
    for _ in range(3):
        connection.sendall(REQUEST)
        assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.05)
    connection.sendall(REQUEST[:20])
    assert read_until(connection, b"") == b""


def test_a_connection_too_many_is_told(connect):
    first, second = connect(), connect()
    for each in (first, second):
        each.sendall(REQUEST)
        assert read_until(each, b"ok")
    head, _, body = read_until(connect(), b"").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["error"] == "too_many_connections"
    second.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert read_until(second, b"").endswith(b"ok")
    third = connect()
    third.sendall(REQUEST)
    assert read_until(third, b"ok").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]
)
def test_what_is_no_request_is_told_in_the_form_of_all_errors(connect, sent):
    connection = connect()
    connection.sendall(sent)
    head, _, body = read_until(connection, b"").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"application/json" in head
    assert json.loads(body) == {"error": "bad_request", "detail": json.loads(body)["detail"]}


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [
        (1024, 1024, 256),
        (1024, 4096, 512),
        (1024, resource.RLIM_INFINITY, 512),
        (65_536, 65_536, 512),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 512),
        (100, 100, 1),
    ],
)
def test_there_are_no_more_connections_than_files_may_be_open(monkeypatch, soft, hard, most):
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, new: limits.__setitem__(slice(None), new))
    assert connections_within(512) == most
    assert limits[1] == hard


@pytest.fixture
def logging_as_before():
    """Leaves loggers as they were."""
    loggers = [
        logging.getLogger(),
        *(one for one in logging.Logger.manager.loggerDict.values() if hasattr(one, "handlers")),
    ]
    before = [(one, one.handlers, one.propagate, one.level) for one in loggers]
    yield
    logging.captureWarnings(capture=False)
    for one, handlers, propagate, level in before:
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
def test_every_library_is_heard_in_the_one_format(capsys):
    own = logging.getLogger("some.library")
    own.addHandler(logging.StreamHandler(sys.stderr))
    log_to_stderr()
    own.warning("from a library")
    logging.getLogger("asyncio").error("socket.accept() out of system resource", exc_info=OSError("too many"))
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("some.library").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"].splitlines()[0][-20:] for line in lines[:3]] == [
        "from a library",
        "t of system resource",
        "started",
    ]
    assert "DeprecationWarning: old" in lines[3]["event"]
    assert len(lines) == 4
