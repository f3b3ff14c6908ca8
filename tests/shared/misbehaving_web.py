"""A web server on loopback that misbehaves on demand."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """A file on the server, and what happens to the requests for it, one after the other; then all goes well."""

    data: bytes
    script: list[str] = field(default_factory=list)
    etag: str | None = '"one"'
    has_ranges: bool = True
    obeys_if_range: bool = True
    seen: list[dict[str, str]] = field(default_factory=list)


class Web:
    """The server; pages by their path, or by their whole address when it is used as a proxy."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, data: bytes, *script: str, **settings: object) -> Page:
        page = self.pages[path] = Page(data, list(script), **settings)  # type: ignore[arg-type]
        return page

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        def answer_get(handler: BaseHTTPRequestHandler) -> None:
            page = self.pages.get(handler.path)
            if page is None:
                handler.send_error(404)
                return
            page.seen.append(dict(handler.headers))
            with suppress(BrokenPipeError, ConnectionResetError):
                self.answer(handler, page, page.script.pop(0) if page.script else "well")

        methods = {"do_GET": answer_get, "log_message": lambda *_: None}
        return type("Handler", (BaseHTTPRequestHandler,), methods)

    def answer(self, handler: BaseHTTPRequestHandler, page: Page, act: str) -> None:
        if act.isdecimal():
            handler.send_response(int(act))
            if act == "503":
                handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if act.startswith("to:"):
            handler.send_response(302)
            handler.send_header("Location", act.removeprefix("to:"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = self._send_head(handler, page, act)
        body = page.data[start:]
        if act.startswith("cut:"):
            body = body[: int(act.removeprefix("cut:"))]
        elif act == "more":
            body += b"more than there should be"
        elif act == "stall":
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            self.let_go.wait(5)
            return
        elif act == "trickle":
            for byte in body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self.let_go.wait(0.02):
                    return
        handler.wfile.write(body)

    @staticmethod
    def _send_head(handler: BaseHTTPRequestHandler, page: Page, act: str) -> int:
        wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        is_same = condition is None or condition == page.etag or not page.obeys_if_range
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.has_ranges and is_same else 0
        if start >= len(page.data) > 0 and start:
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return start
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(page.data) - 1}/{len(page.data)}")
        if page.etag is not None:
            handler.send_header("ETag", page.etag)
        if act not in {"more", "unmeasured"}:
            handler.send_header("Content-Length", str(len(page.data) - start))
        if act in {"html", "gzip"}:
            header = ("Content-Type", "text/html") if act == "html" else ("Content-Encoding", "gzip")
            handler.send_header(*header)
        handler.end_headers()
        return start
