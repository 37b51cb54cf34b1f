"""What all processes of the shop have in common: how they speak, serve HTTP, and end.

Owns the lifeline on the inside: a shop process gets a pipe as its standard input whose other end only the supervisor
holds. When the supervisor is gone, even by SIGKILL, the pipe ends and so does the process.
"""

from __future__ import annotations

import http.server
import os
import resource
import signal
import socketserver
import sys
import threading
import time

_FILES = 4096


def settle_in() -> None:
    """Prepare a shop process: end at once on SIGTERM or with the supervisor, and may open enough sockets."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(0))
    threading.Thread(target=_end_with_supervisor, name="lifeline", daemon=True).start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS begins with 256, which a hundred database connections and as many shoppers exceed.
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_with_supervisor() -> None:
    try:
        while os.read(0, 1):
            pass
    except OSError:
        pass
    os._exit(0)


def say(text: str) -> None:
    """Write one line with the time to the log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stdout.write(f"{stamp} {text}\n")
    sys.stdout.flush()


class Complaint:
    """A log line that may come hundreds of times a second: written at most once a second, with its number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0
        self._next = 0.0

    def say(self, text: str) -> None:
        """Write `text`, or only count it if one was just written."""
        with self._lock:
            self._held += 1
            if time.monotonic() < self._next:
                return
            number, self._held = self._held, 0
            self._next = time.monotonic() + 1.0
        say(text if number == 1 else f"{text} ({number} times)")


class WebServer(http.server.ThreadingHTTPServer):
    """An HTTP server on 127.0.0.1 with a thread per request."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)

    def server_bind(self) -> None:
        # The inherited method looks the host's name up, which takes seconds where name resolution is broken.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(http.server.BaseHTTPRequestHandler):
    """A request handler that answers with short texts and keeps no access log."""

    timeout = 5

    def answer(self, status: int, text: str, kind: str = "application/json") -> None:
        """Send one whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (inherited name)
        """Write nothing."""
