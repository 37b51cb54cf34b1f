"""An HTTP endpoint as the switch: its position is given by POST and read by GET.

The request leaves from here, through the connection to the target, so that no program is needed there. It leaves no
job on the target: what became of an interrupted one is told by asking the service. Giving a switch a position twice
is the same as giving it once, so that a request of which nothing was seen can be sent again.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime

from runbook.actions.cache_ask import STAMP, Told, ask, clock, moment
from runbook.actions.cache_form import UNTIL, CacheWith, StatusAsked, digest_of, filled
from runbook.actions.cache_switch import TURN, Noted, Position, Shown, Turn, with_note
from runbook.actions.form import text_of
from runbook.actions.http import HttpWith, plain_text, request_url
from runbook.actions.network import bounded
from runbook.errors import ActionError, DispatchRefused, TransportError
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Refuse, Settlement, Unknown, Verdict, Work
from runbook.ports.target import Address, OpKey, Reader
from runbook.text import one_line

THROUGH = "tunnel"
"""What the intent says under `through`: there will be no job on the target."""


class HttpSwitch:
    """A switch behind an address."""

    def __init__(self, w: CacheWith) -> None:
        assert w.status is not None
        self._w = w
        self._status: StatusAsked = w.status

    @property
    def what(self) -> str:
        """The switch in words."""
        return f"http {self._w.url}"

    def look(self, t: Reader) -> Position:
        """Ask the service."""
        told = self._ask(t)
        if told.state == "no data":
            raise ActionError(f"the service does not tell its state: {'; '.join(told.evidence)}", where=t.host.name)
        until = told.until.strftime(STAMP) if told.until is not None else ""
        return Position("degraded" if told.state == "good" else "normal", clock(t).strftime(STAMP), until)

    def refuse(self, position: Position, t: Reader) -> Refuse | None:
        """Refuse what could not be led back."""
        if position.state == "degraded" and UNTIL in self._w.degraded and not position.until:
            return Refuse(
                "it is degraded already, and the service does not tell until when: there would be no way back",
                "turn it by hand, or correct `status.until`",
            )
        return None

    def shown(self, position: Position, text: str) -> Shown:
        """Say it as a request."""
        return Shown(
            (f"POST {self._w.url} {one_line(text.strip(), 200)}",), ("The request leaves no job on the target",)
        )

    def turn(self, position: Position, turn: Turn, work: Work) -> dict[str, Json]:
        """Post the position."""
        note: dict[str, Json] = {**turn.note, "text_sha256": digest_of(turn.text)}
        self._post(Noted(work, note), TURN, turn.text)
        return work.receipts.get(TURN, {})

    def holds(self, position: Position, digest: str | None, t: Reader) -> Verdict:
        """Ask whether it has the position that this step gave it."""
        told = self._ask(t)
        if told.state == "no data":
            return Verdict("no data", told.evidence)
        if digest is None:
            # An apply that broke off may have left either position.
            return Verdict("good", told.evidence)
        return Verdict("good" if digest == self._digest(told) else "bad", told.evidence)

    def turn_back(self, position: Position, digest: str | None, work: Work) -> None:
        """Post the position that it had."""
        if digest is None:
            return
        told = self._ask(work.target)
        before = self._text_before(position)
        if told.state != "no data" and self._digest(told) == digest_of(before):
            return
        if told.state == "no data" or self._digest(told) != digest:
            raise ActionError(
                f"the switch is not as this step left it: {'; '.join(told.evidence)}",
                where=work.target.host.name,
                remedy="look at the service, then turn the switch by hand",
            )
        self._post(work, "put-back", before)

    def is_back(self, position: Position, t: Reader) -> Verdict:
        """Ask whether it has the position that it had."""
        told = self._ask(t)
        if told.state == "no data":
            return Verdict("no data", told.evidence)
        is_back = self._digest(told) == digest_of(self._text_before(position))
        return Verdict("good" if is_back else "bad", told.evidence)

    def settle(self, position: Position, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the position; as long as it is not the wanted one, posting it is still to be done."""
        told = self._ask(t)
        if told.state == "no data":
            return Unknown(told.evidence)
        if self._digest(told) == text_of(o.intent.get("sha256")):
            return with_note(Done({"sha256": text_of(o.intent.get("sha256"))}, told.evidence), o)
        return NotDone(told.evidence)

    def _ask(self, t: Reader) -> Told:
        return ask(self._status, t)

    def _digest(self, told: Told) -> str:
        """Return the digest of the text that gives a switch the position that it has."""
        return digest_of(self._text(told.state == "good", told.until))

    def _text_before(self, position: Position) -> str:
        return self._text(position.state == "degraded", moment(position.until))

    def _text(self, is_degraded: bool, until: datetime | None) -> str:
        if not is_degraded:
            return self._w.normal
        stamp, unix = (until.strftime(STAMP), int(until.timestamp())) if until is not None else ("", 0)
        return filled(self._w.degraded, stamp, unix, self._w.at_expiry)

    def _post(self, work: Work, name: str, text: str) -> None:
        def body(_key: OpKey) -> Mapping[str, Json]:
            send(self._w, text, work.target)
            return {"sha256": digest_of(text)}

        intent: dict[str, Json] = {"do": "post", "url": self._w.url, "sha256": digest_of(text), "through": THROUGH}
        work.op(name, intent, body)


def send(w: CacheWith, text: str, t: Reader) -> None:
    """Post a position.

    Raises DispatchRefused if nobody took the connection, ActionError if the service says no (4xx), and TransportError
    if it is not known whether the service took it.
    """
    import httpx

    url = request_url(HttpWith(url=w.url))
    address = Address(url.host, url.port or {"http": 80, "https": 443}[url.scheme])
    try:
        with t.tunnel(address) as near:
            status = bounded(w.timeout, lambda: _status_of(w, url, near, text))
    except httpx.ConnectError as error:
        raise DispatchRefused(f"no connection to {w.url}: {one_line(str(error), 200)}", where=t.host.name) from error
    except (httpx.LocalProtocolError, UnicodeEncodeError) as error:
        raise ActionError(f"no request can be made of it: {one_line(str(error))}", where="headers") from error
    except (TimeoutError, httpx.TransportError, OSError) as error:
        if isinstance(error, TransportError):
            raise
        why = one_line(str(error) or type(error).__name__, 200)
        raise TransportError(f"no answer of {w.url}: {why}", where=t.host.name) from error
    if 400 <= status < 500:
        raise ActionError(f"{w.url} says no: HTTP {status}", where=t.host.name, remedy="look at what is posted")
    if not 200 <= status < 300:
        raise TransportError(f"{w.url} answers HTTP {status}: whether it took it is not known", where=t.host.name)


def _status_of(w: CacheWith, url: object, near: Address, text: str) -> int:
    import httpx

    assert isinstance(url, httpx.URL)
    headers = httpx.Headers({name: plain_text(value) for name, value in w.headers.items()})
    headers.setdefault("Host", url.netloc.decode("ascii"))
    context = ssl.create_default_context() if url.scheme == "https" else False
    place = url.copy_with(host=near.host, port=near.port)
    with httpx.Client(verify=context, trust_env=False, timeout=w.timeout) as client:
        request = client.build_request(
            "POST", place, headers=headers, content=text.encode(), extensions={"sni_hostname": url.host}
        )
        return client.send(request, follow_redirects=False).status_code
