"""`http`: one request, seen from the target or from here."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

from runbook.actions.capture import json_of
from runbook.actions.form import With
from runbook.actions.network import From, bounded, no_network, reach
from runbook.errors import ActionError, TransportError
from runbook.model.scalar import Effect, Seconds
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Address, Reader, Sink
from runbook.secret import Secret
from runbook.text import one_line

if TYPE_CHECKING:
    import httpx

MOST_BODY = 64 * 1024


class HttpWith(With, frozen=True, kw_only=True):
    """What to ask, and from where."""

    url: Annotated[Any, Meta(description="http:// or https:// address")]
    method: Annotated[Literal["GET", "HEAD", "POST"], Meta(description="Method; a probe must not change anything")] = (
        "GET"
    )
    headers: Annotated[dict[str, Any], Meta(description="Headers; secrets are welcome here")] = field(
        default_factory=dict
    )
    body: Annotated[Any, Meta(description="Body of a POST; secrets are welcome here")] = ""
    from_: From = "tunnel"
    timeout: Annotated[Seconds, Meta(description="Limit for the whole answer")] = 10.0


class HttpResult(Struct, frozen=True):
    """The answer."""

    status: int
    body: str
    """Its first 64 KiB."""
    seconds: float
    json: Any = None
    """The body as JSON, null if it is none."""


class Http:
    """Sends one request, follows no redirect, and reads no settings of this machine's environment."""

    name: ClassVar[str] = "http"
    summary: ClassVar[str] = "Send one HTTP request; good if the answer is 2xx"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = HttpWith
    result = HttpResult

    def observe(self, w: HttpWith, t: Reader, sink: Sink) -> Observation[HttpResult]:
        """Ask once: any answer is good or bad by its status, none is no data.

        Raises ActionError if the request makes no sense, TransportError if the target cannot be reached.
        """
        import httpx

        url = request_url(w)
        if nowhere := no_network(t, w.from_):
            return nowhere
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        try:
            with reach(t, w.from_, Address(url.host, port)) as address:
                found = bounded(w.timeout, lambda: _ask(w, url, address))
        except TransportError:
            raise
        except (TimeoutError, httpx.TimeoutException):
            return NoData((f"no answer within {w.timeout:g} s",))
        except (httpx.LocalProtocolError, UnicodeEncodeError) as error:
            raise ActionError(f"no request can be made of it: {one_line(str(error))}", where="http") from error
        except (httpx.TransportError, OSError) as error:
            return NoData((f"no HTTP answer: {one_line(str(error) or type(error).__name__, 300)}",))
        told = f"HTTP {found.status} in {found.seconds:.2f} s"
        return Good(found, (told,)) if 200 <= found.status < 300 else Bad(found, (told,))


def request_url(w: HttpWith) -> httpx.URL:
    """Return the address. Raises ActionError, without the address in it, if it is none."""
    import httpx

    try:
        url = httpx.URL(plain_text(w.url))
    except httpx.InvalidURL as error:
        raise ActionError("this is no URL", where="url") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ActionError("this is no URL to ask", where="url", remedy="write http://HOST/… or https://HOST/…")
    return url


def _ask(w: HttpWith, url: httpx.URL, address: Address) -> HttpResult:
    """Send the request to the address, whatever host the URL names, and read the beginning of the answer."""
    import httpx

    headers = httpx.Headers({name: plain_text(value) for name, value in w.headers.items()})
    headers.setdefault("Host", url.netloc.decode("ascii"))
    # What was not asked for in compressed form cannot swell while it is read.
    headers.setdefault("Accept-Encoding", "identity")
    # The name is checked against the certificate, and the certificate against the store of this system.
    context = ssl.create_default_context() if url.scheme == "https" else False
    place = url.copy_with(host=address.host, port=address.port)
    began = time.monotonic()
    with httpx.Client(verify=context, trust_env=False, timeout=w.timeout) as client:
        request = client.build_request(
            w.method,
            place,
            headers=headers,
            content=plain_text(w.body).encode() or None,
            extensions={"sni_hostname": url.host},
        )
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            body, whole = _beginning(response)
        finally:
            response.close()
    text = body.decode(response.encoding or "utf-8", "replace")
    seconds = time.monotonic() - began
    return HttpResult(response.status_code, text, seconds, json_of(text) if whole else None)


def _beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """Return the first bytes of the body, and whether that is all of it."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MOST_BODY:
            return bytes(body[:MOST_BODY]), False
    return bytes(body), True


def plain_text(value: object) -> str:
    """Return the text that is sent. Raises ActionError for what is none."""
    if isinstance(value, Secret):
        return value.unmask()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ActionError(f"a {type(value).__name__} is no text", where="http", remedy="quote it")
    return str(value)
