import re
from random import Random

import pytest

from runbook.expression.fault import Fault
from runbook.expression.pattern import compile_pattern

TEXTS = ("", "a", "ab", "aab\n", "foo bar", "x=1\ny=22\n", "A-B_c", "[a]{2}", "päckchen 3", "\\", "a\nb", "-]^")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a",
        "^a",
        "b$",
        r"b\Z",
        r"\Aa",
        "a|b|",
        "(ab)+",
        "(?:a|b)*c",
        "(?P<x>a)b",
        "a{2}",
        "a{2,}",
        "a{,1}b",
        "a{0}b",
        "b|a{x}|{}|{",
        "ba{,}",
        "a+?b",
        r"\d{1,3}",
        r"\bbar\b",
        r"\Boo",
        r"^\w+=\d+$",
        r"(?m)^y=\d\d$",
        "(?i)FOO|Ä",
        "(?s)a.b",
        "a.b",
        "[a-c]x|[^a-z ]",
        "(?i)[^A]",
        r"[\d\-\]]",
        "[]a]",
        "[-a]",
        "[a-]",
        r"[\w-]+",
        r"\[a\]\{2\}",
        "(a*)*$",
        "(a|a)*b",
        r"\\",
        "^$",
        "x?y?=",
    ],
)
def test_a_pattern_occurs_where_the_library_finds_it(pattern: str) -> None:
    actual = [compile_pattern(pattern).occurs_in(text) for text in TEXTS]
    assert actual == [re.search(pattern, text) is not None for text in TEXTS]


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "[a",
        "*a",
        "{2}",
        "a**",
        "a{3,2}",
        "a{9999}",
        "^*",
        r"(a)\1",
        "(?=a)",
        "(?<!a)b",
        "(?P=x)",
        "(?P<x",
        "a(?i)b",
        "(?x)a",
        "\\",
        r"\q",
        "[b-a]",
        r"[a-\d]",
        "(" * 40 + ")" * 40,
        "a" * 501,
        "((a{100}){100}){100}",
        "((){1000}){1000}",
    ],
)
def test_what_cannot_be_matched_in_one_pass_is_refused(pattern: str) -> None:
    with pytest.raises(Fault):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a*a*a*a*a*b", "(a?){50}a{50}b"])
def test_patterns_that_make_others_hang_come_to_an_answer(pattern: str) -> None:
    assert compile_pattern(pattern).occurs_in("a" * 20_000 + "!") is False


def test_a_pattern_that_needs_too_much_work_is_given_up() -> None:
    chance = Random(7)
    text = "".join(chance.choices("ab", k=50_000))
    with pytest.raises(Fault, match="too costly"):
        compile_pattern("(a|b)*a(a|b){200}c").occurs_in(text)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(Fault, match="longer than 1024 KiB"):
        compile_pattern("a").occurs_in("b" * (1024 * 1024 + 1))
