from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.errors import PlaybookError
from runbook.loader.document import MAX_ALIASES, MAX_DEPTH, decode, parse, read_text


def value(text: str) -> object:
    return parse(text).value


def failure(text: str) -> str:
    with pytest.raises(PlaybookError) as caught:
        parse(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0o644", 0o644),
        ("0xff", 255),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-01", "2026-11-01"),
        ("2026-99-99", "2026-99-99"),
        ("12e4567", "12e4567"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("99999999999999999999", "99999999999999999999"),
        ("9" * 6000, "9" * 6000),
        ("'12'", "12"),
        ('"true"', "true"),
        ("-2h", "-2h"),
        ("10%", "10%"),
    ],
)
def test_scalars_mean_what_the_core_schema_of_yaml_1_2_says(written: str, meant: object) -> None:
    assert value(f"on: {written}\n") == {"on": meant}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: "a" stands twice, first in line 1, again in line 3; remove one'),
        ("a: {b: 1, b: 2}", 'f.yaml:1:11: "b" stands twice, first in line 1, again in line 1; remove one'),
        ("mode: 0644", "f.yaml:1:7: 0644 has a leading zero; write 0o644 or quote it"),
        ("mode: -007", "f.yaml:1:7: -007 has a leading zero; write 0o7 or quote it"),
        ("n: 089", "f.yaml:1:4: 089 has a leading zero; write 89 or quote it"),
        ("a: !!python/object/apply:os.system [ls]", "f.yaml:1:4: the tag "),
        ("a: !x b", 'f.yaml:1:4: the tag "!x" is not allowed; remove it; quote what shall be text'),
        ("!x a: b", 'f.yaml:1:1: the tag "!x" is not allowed'),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here; one file holds one; remove ---"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab cannot indent; use spaces"),
        ("a: [1, 2", "f.yaml:2:1: the list is not closed; write , or ]"),
        ("a: 'x", "f.yaml:1:6: the file ends inside a quoted text; close the quote"),
        ("a: b: c", "f.yaml:1:5: a colon stands where no key can be; quote the text if the colon belongs to it"),
        ("a: {{ params.x }}", 'f.yaml:1:5: a template needs quotes around it; write "{{ … }}"'),
        ("? [a]\n: b", "f.yaml:1:3: a key must be text; write it as one word, or in quotes"),
        ("<<: {a: 1}", "f.yaml:1:1: merge keys are not part of YAML 1.2; write the keys out"),
        ("a: &x [*x]", "f.yaml:1:8: *x stands inside the value that it names; write it out"),
        ("a: *x", "f.yaml:1:4: there is no anchor &x above; define it before it is used"),
        ('a: "\\0"', "f.yaml:1:4: a zero byte cannot be used anywhere; remove it"),
        ("a: \x1b[31m", "f.yaml:1:4: control character U+001B; remove it"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    assert failure(text).startswith(said)


def test_marks_know_lines_and_columns_of_keys_and_values() -> None:
    marks = parse("a: 1\nlist:\n  - x\n  - {k: v}\n").marks
    places = {
        "a": (marks.place(("a",)), marks.place(("a",), at_key=True)),
        "k": (marks.place(("list", 1, "k")), marks.place(("list", 1, "k"), at_key=True)),
    }
    shown = {name: [(place.line, place.column) for place in both] for name, both in places.items()}
    assert shown == {"a": [(1, 4), (1, 1)], "k": [(4, 9), (4, 6)]}
    nearest = marks.place(("list", 1, "gone", 7))
    assert (nearest.line, nearest.column) == (4, 5)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("k: ab XX", (1, 7)),
        ("k: 'ab XX'", (1, 8)),
        ("k: |\n  ab\n  c XX\n", (3, 5)),
        ("k: |2\n   ab XX\n", (2, 7)),
        ("k: >\n  ab\n  XX\n", (1, 4)),
        ('k: "a\\tb XX"', (1, 4)),
    ],
)
def test_a_place_inside_a_text_is_exact_where_the_file_shows_it_as_it_is(text: str, wanted: tuple[int, int]) -> None:
    document = parse(text)
    held = document.value["k"]
    place = document.marks.inside(("k",), held, held.index("XX"))
    assert (place.line, place.column) == wanted


def test_a_byte_order_mark_and_crlf_are_fine_and_places_hold() -> None:
    document = parse(decode(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n"))
    place = document.marks.place(("b", 0))
    assert document.value == {"a": 1, "b": ["x"]}
    assert (place.line, place.column) == (3, 5)


def test_the_text_of_numbers_is_kept() -> None:
    document = parse("v: 1.10\nt: true\ns: x\n")
    assert document.marks.written == {("v",): "1.10", ("t",): "true"}


def test_aliases_are_copies_and_count_as_written_out() -> None:
    document = parse("a: &x {k: [1]}\nb: *x\n")
    assert document.value == {"a": {"k": [1]}, "b": {"k": [1]}}
    assert document.value["a"]["k"] is not document.value["b"]["k"]
    assert "aliases" in failure("a: &x 1\nb: [" + "*x, " * (MAX_ALIASES + 1) + "]")
    deep = "a: &x " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 20 + "*x" + "]" * 20
    assert f"more than {MAX_DEPTH} levels" in failure(deep)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: \xff\n", "f:1:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "this is a binary file"),
        (b"a\x00b", "this is a binary file"),
        ("a: 1".encode("utf-16"), "this is a binary file"),
        (b"\xed\xa0\x80", "is not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        parse(decode(data, "f"), "f")
    assert said in str(caught.value)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "gone.yaml", Path("/dev/zero")):
        with pytest.raises(PlaybookError) as caught:
            read_text(path)
        assert caught.value.file == str(path)


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
HOSTILE = {
    "flow nesting": b"[" * 50_000,
    "mapping nesting": b"{a: " * 50_000,
    "block nesting": b"- " * 50_000,
    "key nesting": b"? " * 50_000,
    "alias bomb": BOMB.encode(),
    "many values": b"- x\n" * 60_000,
    "one long line": b"a: " + b"x" * 1_000_000,
    "many anchors": b"".join(b"- &a%d x\n" % n for n in range(40_000)),
    "many keys": b"".join(b"k%d: x\n" % n for n in range(60_000)),
    "many quotes": b'"' * 1_000_000,
    "many tabs": b"\t" * 1_000_000,
    "many comments": b"#\n" * 500_000,
    "colons": b": " * 300_000,
    "random": bytes(range(256)) * 3000,
    "zeros": bytes(1_000_000),
    "huge": b"x" * 100_000_000,
}

CHILD = """
import sys
from pathlib import Path
from runbook.loader import diagnose, load_inventory
from runbook.errors import InventoryError
from runbook.actions import catalogue

def peak():
    # The peak that getrusage tells survives exec and would be that of the parent.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)

path = Path(sys.argv[1])
before = peak()
found = diagnose(path, catalogue())
try:
    load_inventory(path)
    raise SystemExit("the inventory was accepted")
except InventoryError:
    pass
print(len(found), peak() - before)
"""


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_fault_within_bounds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_bytes(HOSTILE[name])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limit_memory,  # the child is single-threaded here
    )
    assert (done.returncode, done.stderr) == (0, "")
    faults, grown_kib = done.stdout.split()
    assert int(faults) >= 1
    assert int(grown_kib) < 100 * 1024
