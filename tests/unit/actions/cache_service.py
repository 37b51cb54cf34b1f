"""A small service with an HTTP switch of its own, for tests of the actions on caches: real sockets, real answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from runbook.actions.cache_form import StatusAsked


class Service:
    """Answers GET with its mode and numbers, and takes its mode by POST."""

    def __init__(self) -> None:
        self.mode: dict[str, Any] = {"degraded": False}
        self.agree: bool | None = True
        self.posts: list[str] = []
        """The bodies that it has taken."""
        self.answer = 204
        """How it answers a POST; 0 takes it and closes the connection without a word."""
        self.takes = True
        """Whether it does what a POST says."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/switch"

    def degrade(self, until: str) -> None:
        """Turn the switch, as somebody else does."""
        self.mode = {"degraded": True, "until": until, "at_expiry": "alarm"}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({**service.mode, "agree": service.agree}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.posts.append(body)
                if service.takes:
                    service.mode = json.loads(body)
                if service.answer:
                    self.send_response(service.answer)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (inherited name)
                """Write nothing."""

        return Handler


def status_of(service: Service) -> StatusAsked:
    """Return the question for its state."""
    return StatusAsked(url=service.url, expect="json.degraded", until="json.until")
