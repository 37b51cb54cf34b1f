import math
import re
from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import ExpressionError
from runbook.expression import PerHost, compile_expression, names_of, render
from runbook.expression.fault import Fault
from runbook.expression.pattern import compile_pattern
from runbook.secret import Secret

SECRET = "hunter2-hunter2"

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(Secret(SECRET))
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3)
)
NAMES = st.fixed_dictionaries(
    {
        "a": VALUES,
        "b": VALUES,
        "steps": st.fixed_dictionaries(
            {"s-t": st.builds(PerHost, st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3))}
        ),
    }
)

ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "a.b",
        "b.c",
        "a[0]",
        "b['a']",
        "steps.s-t",
        "steps.s-t.a",
        "nope",
        "null",
        "true",
        "0",
        "-1",
        "2.5",
        "'x'",
        "'{{ a }}'",
        "''",
        "[1, 'x']",
        r"'\d+'",
        "()",
        "10000000000000000000000",
    ]
)
OPERATORS = ["+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FUNCTIONS = ["any", "all", "one", "len", "abs", "round", "int", "float", "str", "lower", "first", "last", "basename"]
SOURCES = st.recursive(
    ATOMS,
    lambda below: st.one_of(
        st.builds("({} {} {})".format, below, st.sampled_from(OPERATORS), below),
        st.builds("(not {})".format, below),
        st.builds("({} if {} else {})".format, below, below, below),
        st.builds("{}({})".format, st.sampled_from(FUNCTIONS), below),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["min", "default", "has", "join", "matches", "round"]), below, below
        ),
    ),
    max_leaves=8,
)
NOISE = st.text(st.sampled_from("abs.t-{}%#'\"\\|()[]+*/<>=! \n01,é\x00~"), max_size=40)


def failure(act: Callable[[], object]) -> str:
    """Return the message of an ExpressionError, an empty text if there is none; anything else comes through."""
    try:
        act()
    except ExpressionError as error:
        return str(error)
    return ""


@given(SOURCES | NOISE | st.text(max_size=40), NAMES)
def test_any_expression_gives_a_value_or_an_expression_error(source: str, names: dict[str, object]) -> None:
    try:
        expression = compile_expression(source)
    except ExpressionError:
        return
    for ask in (expression.evaluate, expression.holds, expression.verdict):
        assert SECRET not in failure(partial(ask, names))


@given(SOURCES, NAMES)
def test_a_verdict_that_is_good_agrees_with_the_condition(source: str, names: dict[str, object]) -> None:
    try:
        expression = compile_expression(source)
        verdict, holds = expression.verdict(names), expression.holds(names)
    except ExpressionError:
        return
    assert verdict is None or verdict == holds


@given(SOURCES)
def test_nothing_known_never_makes_a_plain_condition_good(source: str) -> None:
    """Whatever only calculates with a missing value has no verdict."""
    for form in ("missing > ({0})", "missing + 1 == 2 or missing < 3", "not missing", "missing != 5"):
        try:
            assert compile_expression(form.format(source)).verdict({}) is not True
        except ExpressionError:
            continue


@given(NOISE | st.text(max_size=40) | st.builds("{{{{ {} }}}}".format, SOURCES | NOISE), NAMES)
def test_any_template_gives_a_value_or_an_expression_error(source: str, names: dict[str, object]) -> None:
    assert SECRET not in failure(lambda: (names_of(source), render(source, names)))


@given(SOURCES, NAMES)
def test_a_template_means_what_the_expression_means(source: str, names: dict[str, object]) -> None:
    def outcome(ask: object) -> object:
        try:
            value = ask()  # type: ignore[operator]
        except ExpressionError:
            return "refused"
        return repr(value)

    assert outcome(lambda: render(f"{{{{ {source} }}}}", names)) == outcome(
        lambda: compile_expression(source).evaluate(names)
    )


@given(SOURCES, NAMES)
def test_a_secret_is_never_part_of_text(source: str, names: dict[str, object]) -> None:
    try:
        text = render(f"> {{{{ {source} }}}}", names)
    except ExpressionError:
        return
    assert isinstance(text, str)
    assert SECRET not in text
    assert "«secret»" not in text


@given(st.text(), st.text())
def test_a_value_is_filled_in_letter_by_letter(value: str, around: str) -> None:
    around = around.replace("{", "(").replace("}", ")")
    assert render(around + "{{ params.x }}" + around, {"params": {"x": value}}) == around + value + around


@given(st.text())
def test_text_without_braces_is_returned_as_it_is(text: str) -> None:
    plain = text.replace("{{", "").replace("{%", "")
    if "{{" not in plain and "{%" not in plain:
        assert render(plain, {}) == plain


@given(st.floats(), st.floats())
def test_numbers_compare_as_python_does_and_nan_never(left: float, right: float) -> None:
    verdict = compile_expression("x <= y").verdict({"x": left, "y": right})
    assert verdict is (None if math.isnan(left) or math.isnan(right) else left <= right)


PATTERN_PARTS = st.recursive(
    st.sampled_from(["a", "b", ".", r"\d", r"\w", "[ab]", "[^a]", "^", "$", r"\b", "1", r"\n", ""]),
    lambda below: st.one_of(
        st.builds("{}{}".format, below, below),
        st.builds("(?:{}|{})".format, below, below),
        st.builds("(?:{}){}".format, below, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "+?"])),
    ),
    max_leaves=6,
)


@given(PATTERN_PARTS, st.text(st.sampled_from("ab1 \n"), max_size=8))
def test_a_pattern_occurs_where_the_library_finds_it(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).occurs_in(text) is (re.search(pattern, text) is not None)


@given(st.text(max_size=30) | st.text(st.sampled_from("ab()[]{}*+?|^$\\d-,12:i"), max_size=30), st.text(max_size=50))
def test_any_pattern_is_matched_or_refused(pattern: str, text: str) -> None:
    try:
        compile_pattern(pattern).occurs_in(text)
    except Fault:
        return
