"""Reading ELF files: what is in real ones, and that none can do harm."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.elf import Elf, NotElf, read_elf
from tests.ldconfig_world import SONAME, elf_of, library


def of(data: bytes) -> Elf:
    return read_elf(lambda offset, size: data[offset : offset + size])


def made(
    *, needed: tuple[str, ...] = (), runpath: str = "", rpath: str = "", wide: bool = True, order: str = "<"
) -> bytes:
    """Return a program that consists of headers and a dynamic section alone."""
    strings, entries = b"\0", []
    for tag, text in [*((1, name) for name in needed), (29, runpath), (15, rpath)]:
        if text:
            entries.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    word = "Q" if wide else "I"
    head, segment = (64, 56) if wide else (52, 32)
    at_dynamic = head + 2 * segment
    size = (len(entries) + 2) * 2 * struct.calcsize(word)
    base = 0x1000
    entries += [(5, base + at_dynamic + size), (0, 0)]
    total = at_dynamic + size + len(strings)
    data = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    data += struct.pack(order + "HHI", 3, 62 if wide else 3, 1)
    data += struct.pack(order + word * 3, 0, head, 0) + struct.pack(order + "IHHHHHH", 0, head, segment, 2, 0, 0, 0)
    for kind, start, length in ((1, 0, total), (2, at_dynamic, size)):
        if wide:
            data += struct.pack(order + "IIQQQQQQ", kind, 4, start, base + start, 0, length, length, 8)
        else:
            data += struct.pack(order + "IIIIIIII", kind, start, base + start, 0, length, length, 4, 4)
    return data + b"".join(struct.pack(order + word * 2, *entry) for entry in entries) + strings


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_needs_and_folders_are_read_in_every_class_and_byte_order(wide: bool, order: str) -> None:
    found = of(made(needed=("liba.so.1", "libb.so.2"), runpath="$ORIGIN/lib:/opt/lib", wide=wide, order=order))

    assert (found.needed, found.runpath, found.rpath) == (
        ("liba.so.1", "libb.so.2"),
        ("$ORIGIN/lib", "/opt/lib"),
        (),
    )


def test_files_for_different_machines_differ() -> None:
    assert len({of(made(wide=wide, order=order)).machine for wide in (True, False) for order in "<>"}) == 4


def test_a_real_library_tells_name_needs_and_versions() -> None:
    found = elf_of(library())

    assert (found.soname, "libc.so.6" in found.needed, bool(found.offers)) == (SONAME, True, True)
    assert [versions for name, versions in found.wants if name == "libc.so.6"] != [()]


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 80]
)
def test_what_is_no_program_is_told_as_such(data: bytes) -> None:
    with pytest.raises(NotElf):
        of(data)


GOOD = made(needed=("liba.so.1",), rpath="/opt/lib")


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=12), st.integers(0, len(GOOD)))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(bites: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for at, value in bites:
        data[at] = value
    for form in (bytes(data), bytes(data[:length])):
        with suppress(NotElf):
            of(form)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=20))
def test_a_damaged_real_library_is_read_or_refused_with_bounded_work(bites: list[tuple[int, int]]) -> None:
    data = bytearray(Path(library()).read_bytes())
    for at, value in bites:
        data[at % len(data)] = value
    fetched = 0

    def fetch(offset: int, size: int) -> bytes:
        nonlocal fetched
        fetched += 1
        return bytes(data[offset : offset + size])

    with suppress(NotElf):
        read_elf(fetch)
    assert fetched < 30_000
