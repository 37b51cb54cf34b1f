import math
from pathlib import PurePosixPath

import pytest

from runbook.errors import ExpressionError
from runbook.expression import PerHost, check_names, compile_expression, spell
from runbook.secret import Secret

NAMES = {
    "value": 5.0,
    "exit": 0,
    "stdout": "all ok\n",
    "json": {"rate": None, "code": "ok", "items": [1, 2, 3], "deep": {"x": 1}},
    "baseline": {"latency": 2.5},
    "nan": math.nan,
    "params": {"pass": Secret("hunter2-hunter2"), "path": PurePosixPath("/x"), "deep": True},
    "steps": {
        "compare": {
            "changed": PerHost({"a": True, "b": False, "c": None}),
            "count": PerHost({"a": 3, "b": 9, "c": None}),
            "same": PerHost({"a": 7, "b": 7, "c": None}),
            "gone": PerHost({"a": None, "b": None}),
            "single": PerHost({"a": 4}),
            "part": PerHost({"a": {"n": 1}, "b": {"n": 2}}),
            "here": PerHost({"a": 1, "b": 2}, here="b"),
            "skipped": None,
        },
        "drop-cache": {"n": 7},
        "never": None,
    },
}


def evaluate(source: str) -> object:
    return compile_expression(source).evaluate(NAMES)


def failure(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("value > 2 * baseline.latency", False),
        ("value <= 2 * baseline.latency", True),
        ("1 < value < 6", True),
        ("1 < value < 5", False),
        ("value != 5", False),
        ("exit == 0 and 'ok' in stdout", True),
        ("'bad' not in stdout", True),
        ("json.code == 'ok'", True),
        ("json['deep']['x'] + json.items[-1]", 4),
        ("7 // 2 + 7 % 4 - -1 / 2", 6.5),
        ("'a' + 'b'", "ab"),
        ("[1] + (2, 3)", [1, 2, 3]),
        ("2 in [1, 2]", True),
        ("'deep' in json", True),
        ("true and True and not false and not False", True),
        ("json.rate == null", True),
        ("json.code != None", True),
        ("json.rate", None),
        ("json.rate or 3", 3),
        ("'yes' if params.deep else 'no'", "yes"),
        ("value\n  > 3\n  and exit == 0", True),
        (" value > 3 ", True),
        ("steps.drop-cache.n == 7", True),
        ("steps.drop-cache.n-1", 6),
        ("'steps.drop-cache' + \"#'\"", "steps.drop-cache#'"),
        ("any([0, 1])", True),
        ("all([1, null])", True),
        ("any([]) or all([])", False),
        ("len(json.items) + len(stdout) + len(json.deep)", 11),
        ("abs(-2) + min(3, 1) + max([3, 9]) + round(2.6)", 15),
        ("round(2.567, 1)", 2.6),
        ("int('42\n') + int(2.9) + int('2.9')", 46),
        ("float(' 1e3 ')", 1000.0),
        ("str(1.5) + str(true) + str(params.path)", "1.5true/x"),
        ("upper('a') + lower('B') + trim(' c ')", "Abc"),
        ("startswith(stdout, 'all') and endswith(stdout, '\n')", True),
        ("matches(stdout, 'ok$')", True),
        (r"matches(stdout, '^\w+\s\w+$')", True),
        ("has(json, 'rate') and not has(json, 'x') and has([1], 1)", True),
        ("has(json.nothing, 'x')", False),
        ("default(json.nothing, 1) + default(json.rate, 2)", 3),
        ("default(json.items[9], 'none')", "none"),
        ("basename('/a/b/') + dirname('/a') + dirname('a') + basename('/')", "b/./"),
    ],
)
def test_an_expression_has_this_value(source: str, expected: object) -> None:
    assert evaluate(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("any(steps.compare.changed)", True),
        ("all(steps.compare.changed)", False),
        ("any(steps.compare.gone)", False),
        ("all(steps.compare.gone)", False),
        ("one(steps.compare.same)", 7),
        ("one(steps.compare.gone)", None),
        ("one(value)", 5.0),
        ("one(json.items)", [1, 2, 3]),
        ("any(steps.compare.count > 8)", True),
        ("all(steps.compare.count > 8)", False),
        ("all(steps.compare.count > 2)", True),
        ("any(steps.compare.part.n == 2)", True),
        ("any(steps.compare.count > steps.compare.single * 2)", True),
        ("any(steps.compare.count > 8 and not default(steps.compare.changed, false))", True),
        ("any(steps.compare.here == 1)", True),
        ("steps.compare.here", 2),
        ("steps.compare.single", 4),
        ("any(steps.compare.changed) and not all(steps.compare.changed)", True),
    ],
)
def test_values_per_host_are_taken_for_this_host_or_looked_at_across(source: str, expected: object) -> None:
    assert evaluate(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("vlaue > 1", "column 1: unknown name vlaue; did you mean value?"),
        ("exit == 0 and\n jsn.code", "line 2, column 2: unknown name jsn; did you mean json?"),
        ("'größe' == jsn", "column 12: unknown name jsn"),
        ("json.code.x", "json.code is text and has no part x"),
        ("steps.compare.changed", "steps.compare.changed differs per host; use any(), all() or one()"),
        ("steps.compare.part.n > 1", "steps.compare.part differs per host"),
        ("one(steps.compare.changed)", "differs between hosts, for example a and b"),
        ("any(all(json.items))", "cannot stand inside each other"),
        ("any(steps.compare.count > 1 or one(value) > 1)", "cannot stand inside each other"),
        ("steps.compare.skipped > 5", "steps.compare.skipped is null because step compare was skipped"),
        ("not steps.compare.skipped", "no value"),
        ("steps.compare.skipped == 1", "no value"),
        ("steps.compare.skipped != 1", "no value"),
        ("steps.compare.skipped in [1]", "no value"),
        ("json.rate + 1", "json.rate is null"),
        ("len(json.rate)", "json.rate is null"),
        ("nan > 3", "NaN"),
        ("nan != 3", "NaN"),
        ("1 / 0", "column 1: no value: division by zero"),
        ("float('n/a')", "the text is not a number"),
        ("float('nan') > 1", "the text is not a number"),
        ("int('1_000')", "the text is not a number"),
        ("int(float('inf'))", "no whole part"),
        ("json.items[3]", "the list has 3 elements, none at [3]"),
        ("first([])", "the list is empty"),
        ("value == '5'", "a number is never equal to text"),
        ("stdout != 5", "text is never equal to a number"),
        ("value > 'a'", "text where a number is needed"),
        ("true > 0", "a truth value where a number is needed"),
        ("true + 1", "a truth value where a number is needed"),
        ("'a' * 3", "text * a number is not possible"),
        ("[1] * 3", "a list * a number is not possible"),
        ("'%d' % 3", "text % a number is not possible"),
        ("1 in 'a1'", "a number cannot be in text"),
        ("replace('a', '', 'b')", "replace needs a text to look for"),
        ("value = 5", "write == to compare"),
        ("value > 5 && exit == 0", "column 12: invalid syntax; write and"),
        ("!value", "write not"),
        ("value is None", "write == or !="),
        ("stdout.upper()", "write lower(x), not x.lower()"),
        ("value | default(1)", "no filters"),
        ("value # why", "column 7: an expression has no comments"),
        ("'abc", "column 1: a text is opened and never closed"),
        ("", "the expression is empty"),
        (" \n ", "the expression is empty"),
        ("lenn(stdout)", "no function lenn; did you mean len?"),
        ("len()", "len is written len(x)"),
        ("round(1, digits=2)", "Call is not part of the language"),
        ("matches(stdout, '(')", "column 17: the pattern opens a bracket"),
    ],
)
def test_a_fault_is_told_with_its_place_and_a_remedy(source: str, words: str) -> None:
    assert words in failure(source)


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os')",
        "lambda: 1",
        "[x for x in json]",
        "{1: 2}",
        "{1, 2}",
        "f'{value}'",
        "b'x'",
        "r'x'",
        "'a' 'b'",
        "'''a'''",
        "1j",
        "...",
        "(x := 1)",
        "*value",
        "len(*json.items)",
        "await x",
        "yield",
        "2 ** 9",
        "1 << 99999999",
        "~1",
        "1 @ 2",
        "json.items[0:1]",
        "json[value]",
        "value; 1",
        "import os",
        "\x00",
        "9" * 1999,
        "1e999",
        "(" * 1000,
        "-" * 1999 + "1",
        "not " * 490 + "1",
        "x" + ".y" * 60 + "()",
        "1+" * 900 + "1",
        "a" * 2001,
        "1 if 1 else " * 160 + "1",
        "[" * 90 + "]" * 90,
    ],
)
def test_what_the_language_does_not_have_is_refused_when_it_is_read(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source)


@pytest.mark.parametrize("source", ["().__class__", "value.__class__", "json.__class__", "json.items.count", "''.join"])
def test_attributes_of_objects_do_not_exist(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(source)


def test_what_grows_is_bounded() -> None:
    names = {"x": "x" * 60_000, "n": 2**500, "list": ["y" * 100] * 9_000, "huge": 10**5000}
    for source in ("x + x", "n * n", "list + list", "join(list)", "replace(x, 'x', x)", "huge + 1", "huge > 1"):
        with pytest.raises(ExpressionError):
            compile_expression(source).evaluate(names)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("value", True),
        ("exit", False),
        ("stdout", True),
        ("''", False),
        ("json.items", True),
        ("json.rate", False),
        ("steps.compare.skipped", False),
        ("steps.never.anything", False),
        ("steps.compare.skipped and true", False),
    ],
)
def test_a_condition_holds_by_plain_rules(source: str, *, expected: bool) -> None:
    assert compile_expression(source).holds(NAMES) is expected


@pytest.mark.parametrize("source", ["params.pass", "params.path", "nan"])
def test_a_condition_on_what_is_neither_true_nor_false_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source).holds(NAMES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("value > 3", True),
        ("value > 9", False),
        ("json.rate > 3", None),
        ("json.rate != 3", None),
        ("json.rate == json.rate", None),
        ("json.rate", None),
        ("not json.rate", None),
        ("json.rate == null", True),
        ("json.missing > 3", None),
        ("missing > 3", None),
        ("missing", None),
        ("json.code.x > 3", None),
        ("json.items[7] > 3", None),
        ("nan > 3", None),
        ("nan < 3 or nan > 3", None),
        ("not (nan > 3)", None),
        ("nan", None),
        ("1 / 0 > 3", None),
        ("float(stdout) > 3", None),
        ("json.rate > 3 or value > 3", True),
        ("value > 3 or json.rate > 3", True),
        ("json.rate > 3 or value > 9", None),
        ("json.rate > 3 and value > 9", False),
        ("json.rate > 3 and value > 3", None),
        ("json.rate != null and json.rate > 3", False),
        ("1 if json.rate else 1", None),
        ("all(steps.compare.gone)", None),
        ("not any(steps.compare.gone)", None),
        ("any(steps.compare.changed)", True),
        ("has(json.missing, 'x')", False),
        ("default(missing, 9) > 3", True),
    ],
)
def test_a_verdict_is_never_good_without_data(source: str, *, expected: bool | None) -> None:
    assert compile_expression(source).verdict(NAMES) is expected


def test_a_verdict_does_not_hide_a_fault_of_the_playbook() -> None:
    with pytest.raises(ExpressionError, match="text where a number"):
        compile_expression("value > 'a'").verdict(NAMES)


def test_an_expression_tells_its_names_and_what_it_waits_for() -> None:
    expression = compile_expression("any(steps.compare.changed) and params['deep'] or json.items[0] > 1")
    assert expression.names == {("steps", "compare", "changed"), ("params", "deep"), ("json", "items")}
    assert expression.depends_on(lambda path: path[:2] == ("steps", "compare"))
    assert not expression.depends_on(lambda path: path[0] == "baseline")


def test_a_host_without_a_value_is_refused_and_not_given_another_hosts_value() -> None:
    names = {"x": PerHost({"a": 1, "b": 2}, here="c")}
    with pytest.raises(ExpressionError, match="x has no value for host c"):
        compile_expression("x > 0").evaluate(names)


def test_the_value_of_a_single_host_is_meant_by_all() -> None:
    assert compile_expression("x").evaluate({"x": PerHost({"a": 1}, here="c")}) == 1
    assert compile_expression("x").evaluate({"x": PerHost({}, here="c")}) is None


def test_misspelt_names_are_found_before_a_run() -> None:
    known = {
        "params": {"file": None},
        "steps": {"drop-cache": {"n": None}, "read": None},
        "baseline": frozenset({"latency"}),
    }
    used = [
        ("params", "file"),
        ("params", "file", "anything"),
        ("steps", "read", "json", "x"),
        ("baseline", "latency"),
        ("params",),
        ("parms", "file"),
        ("params", "fiel"),
        ("steps", "drop-cash", "n"),
        ("baseline", "errors"),
    ]
    assert check_names(used, known) == [
        "unknown name baseline.errors; known here: latency",
        "unknown name params.fiel; did you mean params.file?",
        "unknown name parms; did you mean params?",
        "unknown name steps.drop-cash; did you mean steps.drop-cache?",
    ]


def test_names_are_spelt_as_a_playbook_writes_them() -> None:
    assert spell(("steps", "drop-cache", "n")) == "steps.drop-cache.n"
    assert spell(("params", "my-file")) == "params['my-file']"


def test_an_expression_is_read_once() -> None:
    assert compile_expression("value > 3") is compile_expression("value > 3")
