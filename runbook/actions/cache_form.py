"""The `with:` of `cache.degrade` and `cache.restore`: which switch, what it says, and how the service tells its state.

Owns the forms and what makes no sense in them; looking and turning belong to the drivers.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

from runbook.actions.form import PathText, Sudo, Timeout, With, absolute
from runbook.actions.network import From
from runbook.errors import ActionError
from runbook.model.scalar import Expression, Seconds, Template
from runbook.secret import Secret

AtExpiry: TypeAlias = Literal["restore_if_check", "alarm"]

DEGRADED = '{"degraded": true, "until": "$UNTIL", "at_expiry": "$AT_EXPIRY"}\n'
REDIS = "127.0.0.1:6379"
UNTIL, UNTIL_UNIX = "$UNTIL", "$UNTIL_UNIX"

_SERVER = re.compile(r"/.+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9_.-]*):[0-9]{1,5}")
_SYMBOL = re.compile(r"\$(UNTIL_UNIX|UNTIL|AT_EXPIRY)")
_ANY = {"UNTIL": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "UNTIL_UNIX": "[0-9]+", "AT_EXPIRY": "[a-z_]+"}


class Asked(With, frozen=True, kw_only=True):
    """A question to a service, and the answer that is wanted."""

    url: Annotated[Template, Meta(description="http:// or https:// address, asked with GET")]
    expect: Annotated[
        Expression, Meta(description="Expression over `json`, `status` and `body` that must hold for the answer")
    ]
    from_: From = "tunnel"
    timeout: Annotated[Seconds, Meta(description="Limit for the whole answer")] = 5.0


class StatusAsked(Asked, frozen=True, kw_only=True):
    """How the service tells that it is degraded (`expect`), and until when."""

    until: Annotated[
        Expression,
        Meta(description="Expression that gives the expiry that the service obeys: RFC 3339 text or Unix seconds"),
    ] = ""


class Settling(Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify:` may say: how long the service gets to obey."""

    within: Annotated[Seconds, Meta(description="How long to wait until the service tells the new state")] = 15.0


class CacheWith(With, frozen=True, kw_only=True):
    """Which switch, and what it says in its two positions."""

    switch: Annotated[
        Literal["file", "http", "redis"],
        Meta(
            description="`file`: a file that the service reads; `http`: an address that takes a POST; "
            "`redis`: a key of a Redis server"
        ),
    ]
    path: PathText = ""
    url: Annotated[Template, Meta(description="Address of an http switch; takes the position by POST")] = ""
    headers: Annotated[dict[str, Any], Meta(description="Headers of that POST; secrets are welcome here")] = field(
        default_factory=dict
    )
    key: Annotated[Template, Meta(description="Name of the key of a redis switch")] = ""
    server: Annotated[
        Template, Meta(description="Redis server as the target sees it: HOST:PORT, or the absolute path of its socket")
    ] = REDIS
    database: Annotated[int, Meta(description="Number of the Redis database", ge=0)] = 0
    user: Annotated[Template, Meta(description="User of an access list of Redis")] = ""
    password: Annotated[Any, Meta(description="Password of Redis; a secret parameter, never plain text")] = ""
    degraded: Annotated[
        Template,
        Meta(
            description="What the switch says while degraded; $UNTIL, $UNTIL_UNIX and $AT_EXPIRY stand for the expiry"
        ),
    ] = DEGRADED
    normal: Annotated[
        Template, Meta(description="What the switch says in normal operation; empty: there is no switch file")
    ] = ""
    at_expiry: Annotated[
        AtExpiry,
        Meta(
            description="`alarm`: nothing restores it by itself, Runbook lists it; `restore_if_check`: the service does"
        ),
    ] = "alarm"
    status: Annotated[
        StatusAsked | None, Meta(description="How the service itself tells that it is degraded, and until when")
    ] = None
    check: Annotated[Asked | None, Meta(description="How the service tells that its stock numbers agree")] = None
    keep_in: Annotated[Template, Meta(description="Folder for the copy of a switch file; without it: beside it")] = ""
    sudo: Sudo = False
    timeout: Timeout = 30.0
    verify: Settling = Settling()


def checked(w: CacheWith) -> None:
    """Raise ActionError, with the remedy, if the arguments do not go together."""
    match w.switch:
        case "redis":
            _checked_redis(w)
        case "file":
            absolute(w.path, "path")
            if w.keep_in:
                absolute(w.keep_in, "keep_in")
            if w.url:
                raise ActionError("a file switch has no url", where="url", remedy="leave it out")
        case "http":
            _checked_http(w)
    if not w.degraded.strip() or matches(w.degraded, w.normal):
        raise ActionError("the two positions of the switch are the same", where="degraded", remedy="tell them apart")


def _checked_http(w: CacheWith) -> None:
    if w.path or w.keep_in or w.sudo:
        raise ActionError("path, keep_in and sudo go with a file switch", where="switch", remedy="leave them out")
    if not w.url or not w.normal.strip():
        raise ActionError(
            "an http switch needs url and normal", where="switch", remedy="write what is posted, and where"
        )
    if w.status is None:
        raise ActionError(
            "an http switch can only be read through `status`", where="status", remedy="say how the service tells it"
        )
    if UNTIL in w.degraded and not w.status.until:
        raise ActionError(
            "the switch carries an expiry, and `status` does not tell it", where="status.until", remedy="add `until`"
        )


def _checked_redis(w: CacheWith) -> None:
    if w.path or w.keep_in or w.sudo or w.url:
        raise ActionError(
            "path, keep_in, sudo and url do not go with a redis switch", where="switch", remedy="leave them out"
        )
    if not w.key or "\0" in w.key:
        raise ActionError("a redis switch needs the name of its key", where="key", remedy="write the key")
    if not _SERVER.fullmatch(w.server):
        raise ActionError("the server is neither HOST:PORT nor a path", where="server", remedy=f"such as {REDIS}")
    if w.password and not isinstance(w.password, Secret):
        raise ActionError(
            "the password is written in plain text", where="password", remedy="use a parameter of type secret"
        )


def filled(text: str, until: str, unix: int, at_expiry: str) -> str:
    """Return what the switch says while degraded until this time."""
    values = {"UNTIL": until, "UNTIL_UNIX": str(unix), "AT_EXPIRY": at_expiry}
    return _SYMBOL.sub(lambda match: values[match[1]], text)


def shown(text: str, at_expiry: str) -> str:
    """Return the same with a symbol for the time, so that looking again does not make another plan of it."""
    return _SYMBOL.sub(lambda match: at_expiry if match[1] == "AT_EXPIRY" else match[1], text)


def matches(written: str, found: str) -> bool:
    """Tell whether a switch says what it says while degraded, until whatever time."""
    parts = _SYMBOL.split(written)
    pattern = "".join(_ANY[part] if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.fullmatch(pattern, found) is not None


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text."""
    return sha256(text.encode()).hexdigest()
