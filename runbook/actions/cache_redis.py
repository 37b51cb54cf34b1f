"""A Redis key as the switch: what it holds, or whether it is there, tells the service to run degraded.

The target's own `redis-cli` is asked, so that the key is reached the way the service reaches it. An expiry that has to
be enforced is given to the key itself (`SET … EX`): Redis keeps it, whatever becomes of Runbook. A key with an expiry
that comes back by undo gets what is left of its time. Source: https://redis.io/docs/latest/commands/set/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from runbook.actions.cache_ask import STAMP, clock, moment
from runbook.actions.cache_form import CacheWith, digest_of, matches
from runbook.actions.cache_switch import TURN, Noted, Position, Shown, Turn, with_note
from runbook.actions.capture import answer, change, require_exit
from runbook.actions.file_operation import still_open
from runbook.actions.form import text_of
from runbook.errors import ActionError
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Refuse, Settlement, Verdict, Work
from runbook.ports.target import Cmd, OpKey, Reader
from runbook.secret import Secret
from runbook.text import one_line, shell_words

MOST = 4096
"""Bytes of a value that can be a switch: it is kept in the journal, so that undo can put it back."""

_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_NO_CLI = 127
_GONE = -2
"""What PTTL says of a key that is not there."""


class RedisSwitch:
    """A switch in a key of a Redis server."""

    def __init__(self, w: CacheWith) -> None:
        self._w = w

    @property
    def what(self) -> str:
        """The switch in words."""
        return f"redis key {self._w.key} of {self._w.server}, database {self._w.database}"

    def look(self, t: Reader) -> Position:
        """Read the key and what is left of its time."""
        now = clock(t)
        text, left = self._get(t), self._left(t)
        if left == _GONE:
            # Its time may have run out between the two looks.
            text = None
        until = (now + timedelta(milliseconds=left)).strftime(STAMP) if text is not None and left >= 0 else ""
        return Position(self._state(text), now.strftime(STAMP), until, key_text=text)

    def refuse(self, position: Position, t: Reader) -> Refuse | None:
        """Refuse a value that could not be put back."""
        if position.key_text is not None and len(position.key_text.encode()) > MOST:
            return Refuse(f"{self.what} holds more than {MOST} bytes", "a switch is smaller: look at the key")
        return None

    def shown(self, position: Position, text: str) -> Shown:
        """Say it in a command of redis-cli."""
        notes = ["The password comes by REDISCLI_AUTH"] if self._w.password else []
        if text and self._w.at_expiry == "restore_if_check" and text != self._w.normal:
            notes.append("Redis itself ends it, by EX; SECONDS counts from the turn")
            return Shown((self._typed("SET", self._w.key, text, "EX", "SECONDS"),), tuple(notes))
        words = ("SET", self._w.key, text) if text else ("DEL", self._w.key)
        return Shown((self._typed(*words),), tuple(notes))

    def turn(self, position: Position, turn: Turn, work: Work) -> dict[str, Json]:
        """Set or delete the key."""
        digest = digest_of(turn.text) if turn.text else ""
        noted = Noted(work, {**turn.note, "text_sha256": digest})
        self._write(noted, TURN, turn.text, math.ceil(turn.seconds))
        return work.receipts.get(TURN, {})

    def holds(self, position: Position, digest: str | None, t: Reader) -> Verdict:
        """Look at the value; an apply that broke off has left what was there, or a position of its own."""
        found = self.look(t)
        says = (self._says(found),)
        if digest is None:
            is_ours = found.key_text == position.key_text or found.state != "other"
            return Verdict("good" if is_ours else "bad", says)
        return Verdict("good" if _digest(found.key_text) == digest else "bad", says)

    def turn_back(self, position: Position, digest: str | None, work: Work) -> None:
        """Put back the value with what is left of its time; where there was no key, delete it."""
        now = self.look(work.target)
        if self._is_as_before(position, now):
            return
        if digest is None or _digest(now.key_text) != digest:
            raise ActionError(
                f"the switch is not as this step left it: {self._says(now)}",
                where=work.target.host.name,
                remedy="look who has set the key, then turn the switch by hand",
            )
        left = _left_of(position, now)
        text = position.key_text if position.key_text is not None and left != 0 else ""
        self._write(work, "put-back", text, left or 0)

    def is_back(self, position: Position, t: Reader) -> Verdict:
        """Compare the value; one whose time has run out is gone."""
        now = self.look(t)
        return Verdict("good" if self._is_as_before(position, now) else "bad", (self._says(now),))

    def settle(self, position: Position, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the value; to set it twice is the same as once."""
        pending = still_open(o, t)
        now = self.look(t)
        wanted = text_of(o.intent.get("sha256"))
        if _digest(now.key_text) == wanted:
            return with_note(Done({"sha256": wanted}, (self._says(now),)), o)
        return pending or NotDone((self._says(now),))

    def _state(self, text: str | None) -> Literal["normal", "degraded", "other"]:
        if text is not None and matches(self._w.degraded, text):
            return "degraded"
        return "normal" if (text or "") == self._w.normal else "other"

    def _says(self, found: Position) -> str:
        if found.key_text is None:
            return f"{self.what} is not there"
        ends = f", Redis ends it at {found.until}" if found.until else ", without an expiry"
        return f"{self.what} says {found.state}{ends}"

    def _is_as_before(self, position: Position, now: Position) -> bool:
        if _left_of(position, now) == 0:
            return now.key_text is None
        return now.key_text == position.key_text

    def _write(self, work: Work, name: str, text: str, seconds: int) -> None:
        w = self._w
        words = ("SET", w.key, text, *(("EX", str(seconds)) if seconds else ())) if text else ("DEL", w.key)
        digest = digest_of(text) if text else ""

        def body(key: OpKey) -> Mapping[str, Json]:
            got = change(work, key, self._cmd(*words))
            require_exit(got, f"turning {self.what}", where=key.target)
            if _digest(self._get(work.target)) != digest:
                # An error of the server is an ordinary answer to older redis-cli, with exit status 0.
                raise ActionError(f"{self.what} does not take it: {one_line(got.out, 200)}", where=key.target)
            return {"sha256": digest}

        work.op(name, {"do": "set" if text else "delete", "key": w.key, "sha256": digest, "seconds": seconds}, body)

    def _get(self, t: Reader) -> str | None:
        said = self._ask(t, "GET", self._w.key)
        if said == b"(nil)":
            return None
        if not (said.startswith(b'"') and said.endswith(b'"')):
            raise ActionError(f"redis-cli does not answer as it must: {one_line(said.decode('utf-8', 'replace'), 200)}")
        value = _ESCAPE.sub(lambda m: bytes([int(m[1][1:], 16)]) if len(m[1]) == 3 else _PLAIN.get(m[1], m[1]), said)
        try:
            return value[1:-1].decode()
        except UnicodeDecodeError as error:
            raise ActionError(f"{self.what} holds no text", where="key", remedy="look at the key") from error

    def _left(self, t: Reader) -> int:
        said = self._ask(t, "PTTL", self._w.key)
        try:
            return int(said.removeprefix(b"(integer) "))
        except ValueError as error:
            raise ActionError(
                f"{self.what} does not tell its time: {one_line(said.decode('utf-8', 'replace'))}"
            ) from error

    def _ask(self, t: Reader, *words: str) -> bytes:
        got = answer(t, self._cmd(*words), 8 * MOST)
        said = got.out.rstrip("\n").encode()
        if got.exit == _NO_CLI:
            raise ActionError("there is no redis-cli", where=t.host.name, remedy="install redis-tools there")
        if got.exit != 0 or said.startswith(b"(error)"):
            why = said.decode().removeprefix("(error) ") if said else got.why
            raise ActionError(f"{self.what} cannot be read: {one_line(why, 300)}", where=t.host.name)
        if got.truncated:
            raise ActionError(f"{self.what} holds more than {MOST} bytes", where=t.host.name)
        return said

    def _cmd(self, *words: str) -> Cmd:
        secret: dict[str, str | Secret] = {"REDISCLI_AUTH": self._w.password} if self._w.password else {}
        return Cmd((*self._cli(), *words), timeout=self._w.timeout, env=secret | {"LC_ALL": "C"})

    def _cli(self) -> tuple[str, ...]:
        host, _, port = self._w.server.rpartition(":")
        place = ("-s", self._w.server) if self._w.server.startswith("/") else ("-h", host.strip("[]"), "-p", port)
        user = ("--user", self._w.user) if self._w.user else ()
        # `--no-raw` tells a value from an error, whatever is in it.
        return ("redis-cli", *place, "-n", str(self._w.database), *user, "--no-raw")

    def _typed(self, *words: str) -> str:
        return shell_words([*self._cli(), *words])


def _digest(text: str | None) -> str:
    return digest_of(text) if text else ""


def _left_of(position: Position, now: Position) -> int | None:
    """Return what is left of the time that a key had, in whole seconds; None if it had no expiry."""
    ends, at = moment(position.until), moment(now.at)
    if ends is None or at is None:
        return None
    return max(0, math.ceil((ends - at).total_seconds()))
