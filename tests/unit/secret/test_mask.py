"""What is hidden, in which forms, and what is not."""

import base64
import html
import io
import json
import shlex
import subprocess
import threading
from urllib.parse import quote, quote_plus

import pytest

from runbook.secret import MARKER, Masker, Secret

VALUE = "p&ss w0rd/'ünï\"$x"


def masker(*values: str) -> Masker:
    made = Masker()
    for number, value in enumerate(values):
        made.add(Secret(value), f"s{number}")
    return made


ENCODINGS = {
    "plain": VALUE,
    "hex": VALUE.encode().hex(),
    "hex upper": VALUE.encode().hex().upper(),
    "hex with colons": VALUE.encode().hex(":"),
    "hex with colons upper": VALUE.encode().hex(":").upper(),
    "url": quote(VALUE),
    "url strict": quote(VALUE, safe=""),
    "url lower": quote(VALUE, safe="")
    .replace("%C3", "%c3")
    .replace("%BC", "%bc")
    .replace("%AF", "%af")
    .replace("%2F", "%2f"),
    "url plus": quote_plus(VALUE),
    "json": json.dumps(VALUE),
    "json utf-8": json.dumps(VALUE, ensure_ascii=False),
    "json in json": json.dumps(json.dumps({"p": VALUE})),
    "json slash": json.dumps(VALUE).replace("/", "\\/"),
    "shell": shlex.quote(VALUE),
    "shell set -x": "'" + VALUE.replace("'", "'\\''") + "'",
    "html": html.escape(VALUE),
    "html text": html.escape(VALUE, quote=False),
    "html decimal": html.escape(VALUE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "python": repr(VALUE),
    "python bytes": repr(VALUE.encode()),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_is_masked_whole(name: str) -> None:
    shown = masker(VALUE).mask(f"a={ENCODINGS[name]};b")
    assert MARKER in shown
    assert shown.replace(MARKER, "").strip("\"'\\").removeprefix("a=").strip("b'\"\\;{p: }") == ""


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_wherever_the_value_stands_in_the_data(before: int, after: int, encode: object) -> None:
    encoded = encode(b"\xfb" * before + VALUE.encode() + b"\xfb" * after).decode()  # type: ignore[operator]
    shown = masker(VALUE).mask(encoded)
    assert MARKER in shown
    # at most the characters that share bits with the neighbours are left
    left = shown.replace(MARKER, "")
    assert len(left) <= (before * 8 + 5) // 6 + (after * 8 + 5) // 6 + 4


@pytest.mark.parametrize("command", [["base64"], ["base64", "-w0"], ["xxd", "-p"]])
def test_what_common_tools_print_of_a_long_secret_is_masked(command: list[str]) -> None:
    value = "".join(chr(33 + (index * 37) % 90) for index in range(200))
    try:
        printed = subprocess.run(command, input=value.encode(), capture_output=True, check=True).stdout.decode()
    except FileNotFoundError:
        pytest.skip(f"{command[0]} is not on this machine")
    left = masker(value).mask(printed).replace(MARKER, "").replace("\n", "")
    assert len(left) < 6


def test_lines_of_a_secret_are_masked_one_by_one() -> None:
    hidden = masker("-----BEGIN KEY-----\n  bGluZSBvbmUgb2Yga2V5\nshort\n-----END KEY-----\n")
    assert hidden.mask("x bGluZSBvbmUgb2Yga2V5 y") == f"x {MARKER} y"
    assert hidden.mask("a short word") == "a short word"


def test_leaves_of_a_structured_secret_are_masked() -> None:
    value = json.dumps({"user": "db-admin", "nested": [{"pin": 12345678}], "key": 'a"b\\c-long'}, indent=1)
    hidden = masker(value)
    assert hidden.mask("db-admin 12345678 " + 'a"b\\c-long') == f"{MARKER} {MARKER} {MARKER}"
    assert hidden.unmasked == ()


def test_short_secrets_are_not_masked_but_named() -> None:
    hidden = Masker()
    hidden.add("root", "user")
    hidden.add(Secret("  abc12  "), "padded")
    hidden.add("", "empty")
    hidden.add('{"user": "root", "port": 5432, "password": "long-enough", "on": true}', "db")
    assert hidden.unmasked == ("user", "padded", "db.user")
    assert hidden.mask("root abc12 5432") == "root abc12 5432"


def test_the_space_around_a_secret_does_not_protect_it() -> None:
    assert masker(" hunter22\n").mask("x=hunter22;") == f"x={MARKER};"


def test_the_longest_secret_wins_and_overlaps_leave_no_rest() -> None:
    assert masker("secret-one", "secret-one-longer").mask("secret-one-longer") == MARKER
    assert masker("abcdefgh", "efghijklmn").mask("abcdefghijklmn.") == f"{MARKER}."
    assert masker("aaaaaa").mask("aaaaaaaaaab") == f"{MARKER}b"


@pytest.mark.parametrize(
    "inside",
    ["\x1b[31m", "\x9b1m", "\x1b]0;x\x07", "\r", "\x00", "\u200b", "\u202e", "\x1b[1m\x1b[0m\x08", "\U000e0041"],
)
def test_terminal_control_inside_a_secret_does_not_protect_it(inside: str) -> None:
    text = f"pw: hunt{inside}er22-hunter."
    assert masker("hunter22-hunter").mask(text) == f"pw: {MARKER}."
    assert masker("hunter22-hunter").finds(text.encode())


def test_a_marker_never_lands_inside_a_sequence() -> None:
    assert masker("1mABCDEF").mask("x\x1b[31mABCDEFy") == f"x{MARKER}y"
    assert masker("hunter22").mask("x\x1b]0;hunter22\x07y") == f"x{MARKER}y"


def test_most_of_a_secret_at_the_very_end_counts_as_the_secret() -> None:
    assert masker("hunter22-hunter").mask("pw: hunter22-h") == f"pw: {MARKER}"
    assert masker("hunter22-hunter").mask("pw: hunter") == "pw: hunter"
    assert masker("hunter22-hunter").mask("hunter22-h, he said") == "hunter22-h, he said"


def test_ordinary_text_and_an_empty_masker_change_nothing() -> None:
    assert masker(VALUE).mask("all is well\x1b[0m\r\n") == "all is well\x1b[0m\r\n"
    assert Masker().mask("anything") == "anything"
    assert not Masker()
    assert masker(VALUE)


def test_expressions_hide_line_by_line() -> None:
    hidden = Masker()
    hidden.redact(r"token=\w+")
    hidden.redact(r"^pin .*$")
    text = "a token=abc b\r\npin 1234\ntoken=\nx pin 1\npin 2"
    assert hidden.mask(text) == f"a {MARKER} b\r\n{MARKER}\ntoken=\nx pin 1\n{MARKER}"
    assert hidden.mask("to\x1b[1mken=a\x1b[0mbc b") == f"{MARKER} b"
    assert not hidden.finds(b"token=abc")


def test_an_expression_that_matches_nothing_at_all_hides_nothing() -> None:
    hidden = Masker()
    hidden.redact("x*")
    assert hidden.mask("axxb\n") == f"a{MARKER}b\n"


def test_a_bad_expression_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match=r"'\(' is no regular expression: .*position 0"):
        Masker().redact("(")


def test_a_tree_is_masked_to_its_leaves_and_keys() -> None:
    hidden = masker("hunter22", "87654321")
    tree = {
        "hunter22": 1,
        "x-hunter22": ["hunter22", ("a hunter22", None)],
        "n": 87654321,
        "f": 1.5,
        "ok": True,
        "raw": b"\xffhunter22",
        "set": {"hunter22"},
        "secret": Secret("other-one"),
        7: {"deep": [{"deeper": "hunter22"}]},
    }
    assert hidden.mask_tree(tree) == {
        MARKER: 1,
        f"x-{MARKER}": [MARKER, (f"a {MARKER}", None)],
        "n": MARKER,
        "f": 1.5,
        "ok": True,
        "raw": b"\xff" + MARKER.encode(),
        "set": {MARKER},
        "secret": MARKER,
        7: {"deep": [{"deeper": MARKER}]},
    }
    assert tree["hunter22"] == 1


def test_keys_that_become_the_same_are_kept_apart() -> None:
    assert masker("hunter22", "hunter33").mask_tree({"hunter22": 1, "hunter33": 2, "***": 3}) == {
        "***": 1,
        "***~2": 2,
        "***~3": 3,
    }


def test_a_secret_that_is_no_utf8_is_found_in_raw_bytes() -> None:
    value = b"\xff\xfebinary\x80key".decode("utf-8", "surrogateescape")
    assert masker(value).finds(b"x\xff\xfebinary\x80keyy")
    assert masker(value).finds(base64.b64encode(b"\xff\xfebinary\x80key"))


def test_the_scan_finds_every_encoding_and_nothing_else() -> None:
    hidden = masker(VALUE)
    for name, encoded in ENCODINGS.items():
        assert hidden.finds(f"x{encoded}y".encode()), name
    assert not hidden.finds(b"all is well " + VALUE[:-1].encode())


@pytest.mark.parametrize("place", [0, (1 << 20) - 5, 1 << 20, (2 << 20) - 1])
def test_the_scan_of_a_file_finds_a_secret_across_its_blocks(place: int) -> None:
    hidden = masker("hunter22-hunter")
    assert hidden.finds_in(io.BytesIO(b"x" * place + b"hunter22-hunter"))
    assert not hidden.finds_in(io.BytesIO(b"x" * place + b"hunter22-hunt"))


def test_secrets_may_be_added_while_others_mask() -> None:
    hidden = masker("first-secret")
    leaks: list[str] = []
    done = threading.Event()

    def mask() -> None:
        while not done.is_set():
            if "first-secret" in hidden.mask("x first-secret y"):
                leaks.append("first-secret")

    def add(start: int) -> None:
        for number in range(start, start + 20):
            hidden.add(f"secret-number-{number}", str(number))

    reader = threading.Thread(target=mask)
    writers = [threading.Thread(target=add, args=(start,)) for start in (0, 100, 200)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert leaks == []
    missed = [n for start in (0, 100, 200) for n in range(start, start + 20) if not hidden.finds(f"secret-number-{n}")]
    assert missed == []
