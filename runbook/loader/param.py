"""Values of parameters: checked against what the playbook declares, before anything runs.

Used for defaults, `--set`, files of variables, inventories, answers and forms alike. Precedence among them, and
fetching the value of a secret, belong to the session.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from runbook.errors import UsageError
from runbook.model.fault import did_you_mean, one_of, shown
from runbook.model.playbook import Param
from runbook.model.scalar import Json
from runbook.text.unit import seconds, size

MAX_TEXT = 64 * 1024

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+(%\w+)?\]?"
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GIT_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_TRUTH = {"true": True, "false": False, "yes": True, "no": False}
_ONE_LINE = frozenset({"path", "unit", "host", "git_ref", "url"})


class SecretRef(Struct, frozen=True):
    """Where a secret comes from; never the secret itself."""

    kind: str
    """`env`, `file` or `ask`."""
    name: str = ""
    """The variable or the path."""

    def text(self) -> str:
        """Return the reference as it is written in a playbook."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def check_value(name: str, param: Param, given: Json) -> Json | SecretRef:
    """Return the value of a parameter in the type that it declares; a duration or size stays the text as written.

    None is no value: it is refused if the parameter is required. The value of a secret is always a reference; one that
    is not required and has no source has none.

    Raises:
        UsageError: the value is none that the parameter accepts; the message names the parameter, never a secret.
    """
    if param.type == "secret":
        if given is None and not param.from_ and not param.required:
            return None
        return secret_ref(name, param.from_ if given is None else given)
    if given is None:
        if param.required:
            raise _error(name, "has no value", f"give one with --set {name}=…")
        return None
    value: Json = _choice(name, param, given) if param.type == "choice" else _CHECKS[param.type](name, given)
    if isinstance(value, str):
        _check_text(name, param, value)
    _check_range(name, param, value)
    return value


def value_from_text(name: str, param: Param, text: str) -> Json | SecretRef:
    """Return the value of a parameter that came as text, by `--set`, the environment or a form; raises UsageError."""
    if text == "" and param.type not in {"string", "secret"}:
        return check_value(name, param, None)
    match param.type:
        case "int" if _INT.fullmatch(text.strip()):
            return check_value(name, param, int(text))
        case "float":
            try:
                return check_value(name, param, float(text))
            except (ValueError, OverflowError) as error:
                if isinstance(error, UsageError):
                    raise
                raise _error(name, f"is {shown(text)}", "write a number") from error
        case "bool" if text.strip().lower() in _TRUTH:
            return _TRUTH[text.strip().lower()]
    return check_value(name, param, text)


def secret_ref(name: str, written: object) -> SecretRef:
    """Return where a secret comes from: `env:NAME`, `file:PATH` or `ask`; raises UsageError without showing it."""
    if written is None or (isinstance(written, str) and written in {"", "ask"}):
        return SecretRef("ask")
    kind, colon, rest = written.partition(":") if isinstance(written, str) else ("", "", "")
    if kind == "env" and colon and _ENV_NAME.fullmatch(rest):
        return SecretRef("env", rest)
    if kind == "file" and rest and not _CONTROL.search(rest):
        return SecretRef("file", rest)
    # What was given may be the secret itself: it is not repeated.
    raise _error(name, "is a secret and is not given by itself", "write env:NAME, file:PATH or ask")


def _error(name: str, what: str, remedy: str) -> UsageError:
    return UsageError(f"{name} {what}", where="", remedy=remedy)


def _text(name: str, given: Json) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, bool | int | float):
        return str(given).lower() if isinstance(given, bool) else str(given)
    raise _error(name, f"is {shown(given)}", "write text")


def _whole(name: str, given: Json) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and _INT.fullmatch(given.strip()):
        return int(given)
    raise _error(name, f"is {shown(given)}", "write a whole number")


def _number(name: str, given: Json) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < float("inf"):
        return float(given)
    raise _error(name, f"is {shown(given)}", "write a number")


def _truth(name: str, given: Json) -> bool:
    if isinstance(given, bool):
        return given
    raise _error(name, f"is {shown(given)}", "write true or false")


def _choice(name: str, param: Param, given: Json) -> str:
    text = _text(name, given)
    if text in param.choices:
        return text
    raise _error(name, f"is {shown(text)}", did_you_mean(text, param.choices) or f"choose {one_of(param.choices)}")


def _duration(name: str, given: Json) -> str:
    text = _text(name, given)
    try:
        seconds(text)
    except ValueError as error:
        raise _error(name, f"is {shown(text)}", str(error).rstrip(".")) from error
    return text


def _size(name: str, given: Json) -> str:
    text = _text(name, given)
    try:
        size(text)
    except ValueError as error:
        raise _error(name, f"is {shown(text)}", str(error).rstrip(".")) from error
    return text


def _path(name: str, given: Json) -> str:
    text = _text(name, given)
    if not text:
        raise _error(name, "is empty", "write a path such as /etc/app.yaml")
    return text


def _unit(name: str, given: Json) -> str:
    r"""A name as in systemd.unit(5), "Unit File names": at most 255 of letters, digits and `:-_.\@`."""
    text = _text(name, given)
    if len(text) > 255 or not _UNIT.fullmatch(text):
        raise _error(name, f"is {shown(text)}", "write a unit such as nginx.service: letters, digits and :-_.\\@")
    return text


def _host(name: str, given: Json) -> str:
    text = _text(name, given)
    if not _HOST.fullmatch(text):
        raise _error(name, f"is {shown(text)}", "write a host name or an address")
    return text


def _git_ref(name: str, given: Json) -> str:
    """A name as git-check-ref-format(1) allows it, or a commit id."""
    text = _text(name, given)
    parts = text.split("/")
    if (
        not text
        or len(text) > 255
        or _GIT_FORBIDDEN.search(text)
        or text == "@"
        or text.endswith((".", "/"))
        or any(part.startswith(".") or part.endswith(".lock") or not part for part in parts)
    ):
        raise _error(name, f"is {shown(text)}", "write a tag, a branch or a commit id, such as v1.4.2")
    return text


def _url(name: str, given: Json) -> str:
    text = _text(name, given)
    try:
        split = urlsplit(text)
        good = split.scheme in {"http", "https"} and bool(split.hostname) and (split.port is None or split.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"[\s\\]", text):
        raise _error(name, f"is {shown(text)}", "write http://… or https://…")
    if split.password is not None:
        raise _error(name, "holds a password", "use a secret parameter for it")
    return text


def _check_text(name: str, param: Param, value: str) -> None:
    if len(value) > MAX_TEXT:
        raise _error(name, f"has {len(value)} characters", f"at most {MAX_TEXT} are accepted")
    if _CONTROL.search(value) or (param.type in _ONE_LINE and re.search(r"[\r\n\t]", value)):
        raise _error(name, f"is {shown(value)}", "write it without control characters")
    if value.startswith("-") and not param.dash and param.type != "duration":
        # A word that begins with a dash becomes an option of whatever command it reaches.
        raise _error(name, f"is {shown(value)}", "a leading - would be an option; declare dash: true if it is meant")
    if param.pattern and not matches_whole(param.pattern, value):
        raise _error(name, f"is {shown(value)}", f"it must match {param.pattern}")


def matches_whole(pattern: str, value: str) -> bool:
    """Tell whether a pattern matches a whole text; raises UsageError for a pattern that cannot be used."""
    from runbook.expression.fault import Fault
    from runbook.expression.pattern import compile_pattern

    try:
        return compile_pattern(rf"\A(?:{pattern})\Z").occurs_in(value)
    except Fault as fault:
        raise UsageError(
            f"the pattern {shown(pattern)} cannot be used: {fault.message}", remedy=fault.remedy
        ) from fault


def _check_range(name: str, param: Param, value: Json) -> None:
    if param.min is None and param.max is None:
        return
    number = measure(param, value)
    if number is None:
        return
    if param.min is not None and number < param.min:
        raise _error(name, f"is {shown(value)}", f"at least {param.min:g} is needed")
    if param.max is not None and number > param.max:
        raise _error(name, f"is {shown(value)}", f"at most {param.max:g} is accepted")


def measure(param: Param, value: Any) -> float | None:
    """Return the number that `min` and `max` speak of: seconds of a duration, bytes of a size."""
    match param.type:
        case "int" | "float":
            return float(value)
        case "duration":
            return seconds(value)
        case "size":
            return float(size(value))
        case _:
            return None


_CHECKS: dict[str, Callable[[str, Json], Json]] = {
    "string": _text,
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "duration": _duration,
    "size": _size,
    "path": _path,
    "unit": _unit,
    "host": _host,
    "git_ref": _git_ref,
    "url": _url,
}
