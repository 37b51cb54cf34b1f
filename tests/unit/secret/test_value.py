"""A secret does not slip out by accident."""

import copy
import json
import pickle
import traceback

import msgspec
import pytest

from runbook.secret import Secret

VALUE = "correct-horse-battery"


@pytest.mark.parametrize("show", [repr, str, format, "{}".format, "{!r:>40}".format, "%s".__mod__, ascii])
def test_no_way_of_printing_shows_it(show: object) -> None:
    assert VALUE not in show(Secret(VALUE))  # type: ignore[operator]
    assert VALUE not in show([Secret(VALUE)])  # type: ignore[operator]


def test_a_format_width_is_ignored_instead_of_failing() -> None:
    assert f"{Secret(VALUE):>40}" == "«secret»"


def test_unmask_gives_the_value() -> None:
    assert Secret(VALUE).unmask() == VALUE


@pytest.mark.parametrize(
    "store", [pickle.dumps, json.dumps, msgspec.json.encode, msgspec.msgpack.encode, vars, dict, list]
)
def test_it_cannot_be_stored_or_taken_apart(store: object) -> None:
    with pytest.raises(TypeError) as caught:
        store(Secret(VALUE))  # type: ignore[operator]
    assert VALUE not in str(caught.value)


def test_it_stays_hidden_inside_a_stored_structure() -> None:
    with pytest.raises(TypeError):
        pickle.dumps({"password": [Secret(VALUE)]})


def test_a_copy_is_the_secret_itself() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_it_compares_by_value_with_secrets_only() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret(VALUE) != VALUE
    assert Secret("pässword\udcff") == Secret("pässword\udcff")
    assert len({Secret(VALUE), Secret(VALUE), Secret("other")}) == 2


def test_it_cannot_be_changed() -> None:
    secret = Secret(VALUE)
    with pytest.raises(AttributeError):
        secret.value = "x"
    with pytest.raises(AttributeError):
        delattr(secret, "_Secret__value")
    assert secret.unmask() == VALUE


def test_only_text_makes_a_secret_and_the_refusal_does_not_show_it() -> None:
    with pytest.raises(TypeError) as caught:
        Secret(VALUE.encode())  # type: ignore[arg-type]
    assert VALUE not in "".join(traceback.format_exception_only(caught.value))


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_a_fingerprint_depends_on_value_and_salt() -> None:
    assert Secret(VALUE).fingerprint(b"salt") == Secret(VALUE).fingerprint(b"salt")
    assert Secret(VALUE).fingerprint(b"salt") != Secret(VALUE).fingerprint(b"pepper")
    assert Secret(VALUE).fingerprint(b"salt") != Secret("other").fingerprint(b"salt")
    assert len(Secret(VALUE).fingerprint(b"salt")) == 64


def test_a_fingerprint_needs_a_salt() -> None:
    with pytest.raises(ValueError, match="needs a salt"):
        Secret(VALUE).fingerprint(b"")
