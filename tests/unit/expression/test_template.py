import subprocess
import sys

import pytest

from runbook.errors import ExpressionError
from runbook.expression import PerHost, is_template, names_of, names_of_tree, render, render_tree
from runbook.secret import Secret

NAMES = {
    "params": {
        "file": "/etc/db.yaml",
        "count": 3,
        "ratio": 1.5,
        "on": True,
        "list": ["a", "b"],
        "db_pass": Secret("hunter2-hunter2"),
        "evil": "{{ params.count }} {% x %} {# y #}",
    },
    "steps": {
        "compare": {"good": PerHost({"a": "x1", "b": "x2"}), "same": PerHost({"a": 7, "b": 7}), "skipped": None},
        "drop-cache": {"n": 7},
        "here": {"n": PerHost({"a": 1, "b": 2}, here="b")},
    },
}


def failure(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        render(source, NAMES)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("50% {x} }} #}", "50% {x} }} #}"),
        ("{{ params.count }}", 3),
        ("{{params.list}}", ["a", "b"]),
        ("{{ params.ratio }}", 1.5),
        ("{{ params.on }}", True),
        ("{{ steps.compare.skipped }}", None),
        ("{# why #}{{ params.count }}", 3),
        (" {{ params.count }}", " 3"),
        ("{{ params.count }}{{ params.count }}", "33"),
        ("--on={{ params.on }}", "--on=true"),
        ("x {{- params.count -}} y", "x3y"),
        ("a\r\nb {{ params.count }}\n", "a\r\nb 3\n"),
        ("{{ '}}' }}{{ '{{' }}", "}}{{"),
        ("{{ params.list | join(' ') | upper }}", "A B"),
        ("{{ params.file | basename }}", "db.yaml"),
        ("{{ params.file | dirname }}", "/etc"),
        ("{{ params.file | replace('/etc', '/srv') }}", "/srv/db.yaml"),
        ("{{ params.none | default('x') }}", "x"),
        ("{{ steps.compare.skipped | default('x') }}", "x"),
        ("{{ params.list | first }}{{ params.list | last }}", "ab"),
        ("{{ ' 7 ' | trim | int + 1 }}", 8),
        ("{{ params.list | length }}", 2),
        ("{{ 1 if params.count > 2 else 0 }}", 1),
        ("{{ params['file'] }}", "/etc/db.yaml"),
        ("{{ params.list[-1] }}", "b"),
        ("{{ params.count in [1, 3] and not false }}", True),
        ("{{ -params.count + 10 // 3 % 2 }}", -2),
        ("{{ 'a' 'b' }}", "ab"),
        (r"{{ '\d+\n' }}", "\\d+\n"),
        ("{{ steps.drop-cache.n }}", 7),
        ("{{ steps.drop-cache.n + 1 }}", 8),
        ("{{ steps['drop-cache'].n }}", 7),
        ("{{ steps.here.n }}", 2),
        ("{{ one(steps.compare.same) }}", 7),
        ("{{ any(steps.compare.good) }}", True),
        ("{{ all(steps.here.n > 1) }}", False),
    ],
)
def test_a_template_gives_the_value_or_the_text(source: str, expected: object) -> None:
    actual = render(source, NAMES)
    assert (type(actual), actual) == (type(expected), expected)


def test_what_was_filled_in_is_never_looked_at_again() -> None:
    assert render("{{ params.evil }}", NAMES) == NAMES["params"]["evil"]
    assert render("v: {{ params.evil }}", NAMES) == "v: {{ params.count }} {% x %} {# y #}"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ parms.file }}", "column 4: unknown name parms; did you mean params?"),
        ("one\ntwo {{ params.fiel }}", "line 2, column 8: unknown name params.fiel; did you mean params.file?"),
        ("{{ params.count + params.fiel }}", "column 19: unknown name params.fiel"),
        ("{{ steps.drop-cash.n }}", "unknown name steps.drop-cash; did you mean steps.drop-cache?"),
        ("{{ parms.x | default('y') }}", "unknown name parms"),
        ("n={{ steps.compare.skipped }}", "steps.compare.skipped is null because step compare was skipped"),
        ("{{ steps.compare.good }}", "steps.compare.good differs per host; use any(), all() or one()"),
        ("{{ one(steps.compare.good) }}", "differs between hosts, for example a and b"),
        ("{% if x %}y{% endif %}", "no statements"),
        ("{{ params.count }}{% set x = 1 %}", "no statements"),
        ("{{ params.count", "column 1: {{ is opened and never closed"),
        ("{{ }}", "nothing between the braces"),
        ("x {{ 'a }}", "column 3: {{ is opened"),
        ("{{ 1 }} {# x", "column 9: a comment is opened"),
        ("{{ params.count params.file }}", "something follows"),
        ("{{ params.file | frobnicate }}", "no filter frobnicate"),
        ("{{ params.file | lowr }}", "did you mean lower?"),
        ("{{ params.list | tojson }}", "no filter tojson"),
        ("{{ params.file.upper() }}", "no methods"),
        ("{{ params.file | default(value='x') }}", "no named arguments"),
        ("{{ params.list }}!", "a list cannot be written into text"),
        ("{{ params }}!", "a mapping cannot be written into text"),
        ("{{ x is defined }}", "Test is not part of the language"),
        ("{{ params.file[0:2] }}", "brackets take"),
        ("{{ {'a': 1} }}", "Dict is not part of the language"),
        ("{{ 1 if params.on }}", "if has no else"),
    ],
)
def test_a_fault_is_told_with_its_place_and_a_remedy(source: str, words: str) -> None:
    assert words in str(failure(source))


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 1000000000 * ['a'] }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%s' % params.count }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ range(1000000000) }}",
        "{{ range(10) | join }}",
        "{{ params.big | join(params.wide) }}",
        "{{ params.wide | replace('x', params.wide) }}",
        "{{ params.wide + params.wide }}",
        "{{ params.wide }}{{ params.wide }}",
        "{{ params.wide ~ params.wide }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ lipsum(n=10000) }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ params.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ().__class__ }}",
        "{{ params['__class__'] }}",
        "{{ params | attr('__class__') }}",
        "{{ params.list.append('x') }}",
        "{{ params.huge }} {{ params.huge + 1 }}",
        "{{ 99999999999999999999999999999999999999999 * " * 20 + "1 }}",
        "{{ 1e999 }}",
        "{{ " + "9" * 1990 + " }}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "{{ " + "[" * 1900 + " }}",
        "{{ " + "-" * 1900 + "1 }}",
        "{{ " + "not " * 450 + "1 }}",
        "{{ " + "1+" * 900 + "1 }}",
        "{{ x" + ".y" * 5000 + " | upper }}",
        "{{ x" + "|upper" * 300 + " }}",
        "{{ 1 }}" * 20_000,
    ],
)
def test_hostile_templates_are_refused(source: str) -> None:
    wide, big = "x" * 40_000, ["x" * 1000] * 60
    with pytest.raises(ExpressionError):
        render(source, {"params": {"list": ["a"], "count": 1, "wide": wide, "big": big, "huge": 10**400}})


def test_a_secret_is_passed_on_as_it_is() -> None:
    secret = NAMES["params"]["db_pass"]
    assert render("{{ params.db_pass }}", NAMES) is secret
    assert render_tree({"stdin": ["{{ params.db_pass }}"]}, NAMES) == {"stdin": [secret]}


@pytest.mark.parametrize(
    "source",
    [
        "--password={{ params.db_pass }}",
        "{{ params.db_pass }} ",
        "{{ str(params.db_pass) }}",
        "{{ params.db_pass | upper }}",
        "{{ params.db_pass | length }}",
        "{{ params.db_pass | first }}",
        "{{ params.db_pass | int }}",
        "{{ params.db_pass[0] }}",
        "{{ params.db_pass + 'x' }}",
        "{{ 'x' + params.db_pass }}",
        "{{ params.db_pass == 'hunter2-hunter2' }}",
        "{{ params.db_pass < 'x' }}",
        "{{ 'h' in params.db_pass }}",
        "{{ 'x' in [params.db_pass] }}",
        "{{ params.db_pass in ['x'] }}",
        "{{ params.db_pass and 1 }}",
        "{{ not params.db_pass }}",
        "{{ 1 if params.db_pass else 2 }}",
        "{{ [params.db_pass] | join }}",
        "{{ 'x' | replace('x', params.db_pass) }}",
        "{{ startswith(params.db_pass, 'h') }}",
        "{{ matches('hunter2-hunter2', params.db_pass) }}",
        "{{ has(params.db_pass, 'x') }}",
        "{{ any(params.db_pass) }}",
        "{{ max(params.db_pass, 1) }}",
    ],
)
def test_a_secret_is_in_no_text_and_answers_no_question(source: str) -> None:
    error = failure(source)
    assert "secret" in error.message
    assert "hunter2" not in str(error)


def test_names_are_told_for_validation() -> None:
    source = "{{ params.file }} {{ steps.drop-cache.n | default(params['x']) }} {{ any(steps.compare.changed) }}"
    assert names_of(source) == {
        ("params", "file"),
        ("params", "x"),
        ("steps", "drop-cache", "n"),
        ("steps", "compare", "changed"),
    }
    assert names_of("plain") == frozenset()
    assert names_of_tree({"argv": ["{{ params.a }}", 3], "env": {"X": "{{ params.b }}"}}) == {
        ("params", "a"),
        ("params", "b"),
    }


def test_a_wrong_template_is_found_without_any_values() -> None:
    with pytest.raises(ExpressionError) as caught:
        names_of("ok {{ params.x }}\n  {{ params.x + }}")
    assert (caught.value.line, caught.value.column) == (2, 5)


def test_a_tree_is_filled_in_and_other_values_stay() -> None:
    tree = {"argv": ["rm", "{{ params.file }}", 3, None], "env": {"N": "{{ params.count }}"}}
    assert render_tree(tree, NAMES) == {"argv": ["rm", "/etc/db.yaml", 3, None], "env": {"N": 3}}


def test_a_fault_in_a_tree_names_the_argument() -> None:
    with pytest.raises(ExpressionError) as caught:
        render_tree({"argv": ["a", {"x": "{{ params.fiel }}"}]}, NAMES, within="with")
    assert str(caught.value).startswith("with.argv[1].x column 4: unknown name params.fiel")


def test_a_key_is_no_template() -> None:
    with pytest.raises(ExpressionError, match="a key cannot be filled in"):
        render_tree({"{{ params.file }}": 1}, NAMES)


def test_a_tree_that_contains_itself_is_refused() -> None:
    tree: list[object] = []
    tree.append(tree)
    with pytest.raises(ExpressionError, match="nested"):
        render_tree(tree, NAMES)


@pytest.mark.parametrize(
    ("source", "expected"), [("x", False), ("{{ x }}", True), ("{% x %}", True), ("${#a} {x}", False)]
)
def test_templates_are_told_from_plain_text(source: str, *, expected: bool) -> None:
    assert is_template(source) is expected


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import runbook.expression", {"jinja2", "difflib", "runbook.expression.parse"}),
        ("from runbook.expression import render; render('{{ a.b }} x', {'a': {'b': 1}})", {"jinja2"}),
        ("from runbook.expression import compile_expression as c; c('a > 1').holds({'a': 2})", {"jinja2"}),
    ],
)
def test_start_up_pays_for_no_parser_that_is_not_used(statement: str, absent: set[str]) -> None:
    script = f"{statement}\nimport sys\nprint(sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
