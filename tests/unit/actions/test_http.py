"""`http` against real sockets."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from runbook.actions.http import Http, HttpWith
from runbook.errors import ActionError
from runbook.ports.action import Bad, Good, NoData
from runbook.ports.target import Address
from runbook.secret import Secret
from runbook.testing import Bench
from runbook.testing.work import Silent


class Shop(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        status, _, kind = self.path.strip("/").partition("/")
        self.send_response(int(status))
        if status == "302":
            self.send_header("Location", "/200/text")
        content = {"json": json.dumps({"ok": True}).encode(), "long": b"x" * 200_000, "bytes": b"\xff\0"}.get(
            kind, b"hi"
        )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - the names of the standard library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def shop() -> Iterator[str]:
    Shop.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def observe(url: object, **more: object):  # type: ignore[no-untyped-def]
    return Http().observe(HttpWith(url=url, **more), Bench(), Silent())  # type: ignore[arg-type]


def test_2xx_is_good_and_its_json_is_read(shop: str) -> None:
    seen = observe(f"{shop}/200/json")

    assert isinstance(seen, Good)
    assert (seen.value.status, seen.value.body, seen.value.json) == (200, '{"ok": true}', {"ok": True})
    assert seen.value.seconds > 0


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_any_other_answer_is_bad(shop: str, status: int) -> None:
    seen = observe(f"{shop}/{status}/text")

    assert isinstance(seen, Bad)
    assert (seen.value.status, seen.value.body, seen.value.json) == (status, "hi", None)


def test_a_redirect_is_not_followed(shop: str) -> None:
    assert observe(f"{shop}/302/text").value.status == 302
    assert [path for _, path, _, _ in Shop.seen] == ["/302/text"]


def test_method_headers_and_body_are_sent_and_secrets_with_them(shop: str) -> None:
    observe(f"{shop}/200/x", method="POST", headers={"X-Token": Secret("t0ken")}, body=Secret("p4yload"))

    method, _, headers, body = Shop.seen[0]
    assert (method, headers["X-Token"], body) == ("POST", "t0ken", b"p4yload")


def test_head_has_no_body(shop: str) -> None:
    assert observe(f"{shop}/200/text", method="HEAD").value.body == ""


def test_a_long_body_is_cut(shop: str) -> None:
    assert len(observe(f"{shop}/200/long").value.body) == 64 * 1024


def test_bytes_that_are_no_text_are_shown_as_such(shop: str) -> None:
    assert observe(f"{shop}/200/bytes").value.body == "�\0"


def test_settings_of_this_machine_are_not_read(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert isinstance(observe(f"{shop}/200/text"), Good)


def test_through_a_tunnel_the_host_of_the_url_is_still_named(shop: str) -> None:
    class Far(Bench):
        @contextmanager
        def tunnel(self, address: Address) -> Iterator[Address]:
            self.asked = address
            yield Address("127.0.0.1", int(shop.rpartition(":")[2]))

    far = Far()
    seen = Http().observe(HttpWith(url="http://db.internal:8080/200/text"), far, Silent())

    assert isinstance(seen, Good)
    assert far.asked == Address("db.internal", 8080)
    assert Shop.seen[0][2]["Host"] == "db.internal:8080"


def test_from_the_controller_there_is_no_tunnel(shop: str) -> None:
    class NoTunnel(Bench):
        def tunnel(self, address: Address):  # type: ignore[no-untyped-def]
            raise AssertionError

    seen = Http().observe(HttpWith(url=f"{shop}/200/text", from_="controller"), NoTunnel(), Silent())

    assert isinstance(seen, Good)


def test_a_closed_port_is_no_data() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert isinstance(observe(f"http://127.0.0.1:{port}/"), NoData)


def test_a_silent_or_dripping_server_is_no_data_within_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
                while not gone.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        seen = observe(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.5)
        gone.set()
        thread.join()

    assert seen == NoData(("no answer within 0.5 s",))


def test_something_that_speaks_no_http_is_no_data() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        seen = observe(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()

    assert isinstance(seen, NoData)


def test_https_to_something_else_is_no_data(shop: str) -> None:
    assert isinstance(observe(shop.replace("http:", "https:")), NoData)


@pytest.mark.parametrize("url", ["ftp://x/", "x", "http://", "http://[::1", Secret("no url s3cret"), 5])
def test_what_is_no_url_is_an_error_that_does_not_repeat_it(url: object) -> None:
    with pytest.raises(ActionError) as caught:
        observe(url)
    assert "s3cret" not in str(caught.value)


def test_a_header_cannot_smuggle_another_one(shop: str) -> None:
    with pytest.raises(ActionError, match="no request can be made"):
        observe(f"{shop}/200/text", headers={"X-A": "1\r\nX-B: 2"})
    assert Shop.seen == []


@pytest.mark.parametrize(("host", "answer"), [("shop.internal", Good), ("other.internal", NoData)])
def test_through_a_tunnel_the_certificate_must_be_that_of_the_host_in_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, answer: type
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.internal"],
            *("-addext", "subjectAltName=DNS:shop.internal", "-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Quiet(("127.0.0.1", 0), Shop) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        class Far(Bench):
            @contextmanager
            def tunnel(self, address: Address) -> Iterator[Address]:
                yield Address("127.0.0.1", server.server_port)

        seen = Http().observe(HttpWith(url=f"https://{host}/200/text"), Far(), Silent())
        server.shutdown()
        thread.join()

    assert isinstance(seen, answer), seen
