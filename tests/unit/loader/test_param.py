from __future__ import annotations

from typing import Any

import pytest

from runbook.errors import UsageError
from runbook.loader import SecretRef, check_value, value_from_text
from runbook.model.playbook import Param

GOOD: list[tuple[str, Any, Any]] = [
    ("string", "a b", "a b"),
    ("string", 5, "5"),
    ("string", "line\nline", "line\nline"),
    ("int", 5, 5),
    ("int", "-7", -7),
    ("float", 2, 2.0),
    ("bool", False, False),
    ("duration", "1m30s", "1m30s"),
    ("duration", "-2h", "-2h"),
    ("size", "10MiB", "10MiB"),
    ("path", "/etc/a b.yaml", "/etc/a b.yaml"),
    ("path", "relative/file", "relative/file"),
    ("unit", "getty@tty1.service", "getty@tty1.service"),
    ("unit", r"dev-disk\x2dby.device", r"dev-disk\x2dby.device"),
    ("host", "db-1.example.com", "db-1.example.com"),
    ("host", "10.0.0.1", "10.0.0.1"),
    ("host", "fe80::1%eth0", "fe80::1%eth0"),
    ("git_ref", "release/stable-20231020", "release/stable-20231020"),
    ("git_ref", "v1.4.2", "v1.4.2"),
    ("url", "https://example.com:8443/a?b=c", "https://example.com:8443/a?b=c"),
]

BAD: list[tuple[str, Any, str]] = [
    ("string", "-rf", 'x is "-rf"; a leading - would be an option; declare dash: true if it is meant'),
    ("string", "a\x1b[31m", 'x is "a\\u001b[31m"; write it without control characters'),
    ("string", [1], "x is a list; write text"),
    ("string", "a" * 70_000, "x has 70000 characters; at most 65536 are accepted"),
    ("int", "5.0", 'x is "5.0"; write a whole number'),
    ("int", True, "x is true; write a whole number"),
    ("int", "007", 'x is "007"; write a whole number'),
    ("float", float("nan"), "x is nan; write a number"),
    ("bool", "true", 'x is "true"; write true or false'),
    ("duration", "30", 'x is "30"; 30 what? Write 30s or 30m'),
    ("size", "much", "x is \"much\"; 'much' is no size"),
    ("path", "", "x is empty; write a path such as /etc/app.yaml"),
    ("path", "/etc/a\nb", "write it without control characters"),
    ("path", "-rf", "a leading - would be an option"),
    ("unit", "a b", "write a unit such as nginx.service"),
    ("unit", "a;b", "write a unit such as nginx.service"),
    ("unit", "--root=/x", "write a unit such as nginx.service"),
    ("unit", "-x.service", "a leading - would be an option"),
    ("host", "a b", "write a host name or an address"),
    ("host", "-oProxyCommand=x", "write a host name or an address"),
    ("git_ref", "--upload-pack=x", "a leading - would be an option"),
    ("git_ref", "a..b", "write a tag, a branch or a commit id"),
    ("git_ref", "a@{1}", "write a tag"),
    ("git_ref", "a b", "write a tag"),
    ("git_ref", "a.lock", "write a tag"),
    ("git_ref", "a/.b", "write a tag"),
    ("git_ref", "a//b", "write a tag"),
    ("git_ref", "@", "write a tag"),
    ("git_ref", "a^", "write a tag"),
    ("git_ref", "a\n", "write a tag"),
    ("url", "ftp://x", "write http://… or https://…"),
    ("url", "http://", "write http://… or https://…"),
    ("url", "javascript:alert(1)", "write http://… or https://…"),
    ("url", "http://a:99999/", "write http://… or https://…"),
    ("url", "http://me:hunter2@x/", "x holds a password; use a secret parameter for it"),
]


@pytest.mark.parametrize(("kind", "given", "kept"), GOOD)
def test_a_good_value_is_kept(kind: Any, given: Any, kept: Any) -> None:
    assert check_value("x", Param(type=kind), given) == kept


@pytest.mark.parametrize(("kind", "given", "said"), BAD)
def test_a_bad_value_is_refused_in_words(kind: Any, given: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_value("x", Param(type=kind), given)
    assert said in str(caught.value)


def test_a_leading_dash_is_accepted_where_it_is_declared() -> None:
    assert check_value("x", Param(dash=True), "-v") == "-v"


def test_a_choice_is_one_of_its_words() -> None:
    param = Param(type="choice", choices=("blue", "green"))
    assert check_value("x", param, "blue") == "blue"
    with pytest.raises(UsageError, match="did you mean green"):
        check_value("x", param, "gren")


def test_limits_speak_of_seconds_and_bytes() -> None:
    param = Param(type="duration", min=10, max=60)
    assert check_value("x", param, "30s") == "30s"
    for given in ("5s", "2m"):
        with pytest.raises(UsageError, match="is"):
            check_value("x", param, given)
    with pytest.raises(UsageError, match="at most 1024 is accepted"):
        check_value("x", Param(type="size", max=1024), "2k")


def test_a_pattern_must_match_the_whole_value_and_cannot_hang() -> None:
    param = Param(pattern="(a|a)*b")
    assert check_value("x", param, "aab") == "aab"
    for given in ("aabc", "a" * 5000):
        with pytest.raises(UsageError, match="it must match"):
            check_value("x", param, given)


def test_no_value_is_refused_only_where_one_is_required() -> None:
    assert check_value("x", Param(), None) is None
    with pytest.raises(UsageError, match=r"x has no value; give one with --set x=…"):
        check_value("x", Param(required=True), None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("env:DB_PASS", SecretRef("env", "DB_PASS")),
        ("file:/run/secrets/db", SecretRef("file", "/run/secrets/db")),
        ("ask", SecretRef("ask")),
        (None, SecretRef("env", "OTHER")),
    ],
)
def test_the_value_of_a_secret_is_where_it_comes_from(given: Any, kept: SecretRef) -> None:
    assert check_value("x", Param(type="secret", from_="env:OTHER"), given) == kept


@pytest.mark.parametrize("given", ["hunter2", "env:", "env:A B", "file:", ["a"]])
def test_a_secret_given_by_itself_is_refused_and_not_repeated(given: Any) -> None:
    with pytest.raises(UsageError) as caught:
        check_value("x", Param(type="secret"), given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("int", " 5 ", 5),
        ("float", "2.5", 2.5),
        ("bool", "true", True),
        ("bool", "no", False),
        ("string", "", ""),
        ("string", "5", "5"),
        ("path", "", None),
        ("duration", "5m", "5m"),
    ],
)
def test_text_from_the_command_line_becomes_the_declared_type(kind: Any, text: str, kept: Any) -> None:
    assert value_from_text("x", Param(type=kind), text) == kept


@pytest.mark.parametrize(("kind", "text"), [("int", "x"), ("float", "inf"), ("float", "x"), ("bool", "maybe")])
def test_text_that_is_no_such_value_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(UsageError, match="x is"):
        value_from_text("x", Param(type=kind), text)
