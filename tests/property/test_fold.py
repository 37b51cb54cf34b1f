"""The fold takes any facts in any order; plain values and records give back what they were given."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runbook.events import fact as f
from runbook.events.fold import fold, fold_all
from runbook.events.plain import freeze, thaw
from runbook.events.state import RunState
from runbook.journal import Record, encode, parse
from runbook.session.record import FACTS, to_entry, to_fact

STEPS = ("one", "two", "inc/one", "stage")
PLACES = ("a", "b", "*", "*1", "#1")

# Text as targets and people give it; a lone surrogate is replaced on the way to the record.
texts = st.one_of(st.sampled_from((*STEPS, *PLACES, "")), st.text(max_size=8))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def of_type(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Return values of a type, as far as facts are made of them."""
    match kind:
        case msgspec.inspect.StrType():
            return texts
        case msgspec.inspect.IntType():
            return st.integers(0, 4)
        case msgspec.inspect.FloatType():
            return st.just(0.5)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(of_type(item), max_size=3)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(of_type(item), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*map(of_type, items))
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(of_type(key), of_type(value), max_size=3)
        case msgspec.inspect.UnionType(types=types):
            # `Json` refers to itself: its own alternatives are the plain values.
            is_json = any(isinstance(t, msgspec.inspect.DictType) for t in types)
            return plain if is_json else st.one_of(*map(of_type, types))
        case msgspec.inspect.StructType(cls=cls):
            return structs(cls)
        case msgspec.inspect.Metadata(type=inner):
            return of_type(inner)
        case _:
            return plain


def structs(cls: type[Any]) -> st.SearchStrategy[Any]:
    info = cast("msgspec.inspect.StructType", msgspec.inspect.type_info(cls))
    given_fields = {field.name: of_type(field.type) for field in info.fields}
    if issubclass(cls, f.AtStep):
        given_fields |= {"step": st.sampled_from(STEPS), "target": st.sampled_from(PLACES)}
    return st.builds(cls, **given_fields)


KINDS = tuple(FACTS.values())
facts = st.one_of(*map(structs, KINDS))


@given(st.lists(facts, max_size=30))
def test_any_facts_in_any_order_fold_into_a_state_that_can_be_asked(given_facts: list[f.Fact]) -> None:
    state = RunState()
    for number, fact in enumerate(given_facts):
        state = fold(state, fact)
        assert state.facts == number + 1
    assert set(state.standing) <= set(state.changes)
    assert 0 <= state.unverified <= len(state.standing)
    assert state.claimed <= state.leases


@given(st.lists(facts, max_size=20), st.integers(0, 20))
def test_folding_on_from_the_middle_is_folding_from_the_beginning(given_facts: list[f.Fact], cut: int) -> None:
    assert fold_all(given_facts[cut:], fold_all(given_facts[:cut])) == fold_all(given_facts)


@given(facts)
def test_a_fact_is_the_same_after_its_way_through_a_line_of_the_journal(fact: f.Fact) -> None:
    entry = to_entry(fact)
    record = Record(
        **{name: getattr(entry, name) for name in ("type", "code", "step", "target", "attempt", "operation", "data")},
        log="run-1",
        mono=1,
        prev="0" * 64,
        run="run-1",
        seq=0,
        time=datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        v=1,
    )

    assert to_fact(parse(encode(record))) == as_recorded(fact)


def as_recorded(fact: f.Fact) -> f.Fact:
    """Return the fact as text of UTF-8 carries it."""

    def carried(value: Any) -> Any:
        match value:
            case str():
                return value.encode("utf-8", "replace").decode()
            case float():
                return value
            case dict():
                return {carried(key): carried(item) for key, item in value.items()}
            case list():
                return [carried(item) for item in value]
            case _:
                return value

    return msgspec.convert(carried(msgspec.to_builtins(fact)), type(fact))


numbers = st.integers() | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("float", "int", "secret", "object", "a")) | texts, inner, max_size=2)
    ),
    max_leaves=8,
)


def same(one: object, other: object) -> bool:
    """Compare as Python does, but a NaN with itself and numbers by their kind as well."""
    match one, other:
        case float(), float():
            return one == other or (math.isnan(one) and math.isnan(other))
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case _:
            return type(one) is type(other) and one == other


@given(values)
def test_what_is_frozen_thaws_to_what_it_was(value: Any) -> None:
    assert same(thaw(freeze(value)), value)


@given(values)
def test_what_is_frozen_goes_on_record(value: Any) -> None:
    note = f.StepFinished(step="one", target="a", status="succeeded", values={"it": freeze(value)})

    carried = to_entry(note).data["values"]["it"]
    assert msgspec.json.decode(msgspec.json.encode(carried)) == carried


@given(st.recursive(plain, lambda inner: st.dictionaries(st.just("object"), inner, max_size=1), max_leaves=3))
def test_a_foreign_record_thaws_without_an_error(value: Any) -> None:
    thaw(value)
