"""Taking a function away from a shared library: its copy says that somebody else has to define it.

Owns the few fields of an ELF file that this takes. The copy is what an older release of the library would be to a
program: it has the same soname and lacks what came later. Source: elf(5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_DYNSYM = 11
"""SHT_DYNSYM: section of the symbols that the dynamic loader sees."""
_SECTION = {1: "10I", 2: "2I4Q2I2Q"}
_AT_SECTIONS = {1: (0x20, "I", 0x2E), 2: (0x28, "Q", 0x3A)}
"""By class (32, 64 bits): where e_shoff stands, its kind, and where e_shentsize and e_shnum stand."""
_IN_SYMBOL = {1: (14, 4, "I"), 2: (6, 8, "Q")}
"""Where st_shndx and st_value stand in a symbol, and the kind of the latter."""


def without(library: bytes, name: str) -> bytes:
    """Return the library without the definition of a function.

    Raises:
        LookupError: it defines no such function.
        ValueError: it is no ELF file.
    """
    if library[:4] != b"\x7fELF" or library[4] not in _SECTION:
        raise ValueError("not an ELF file")
    order = ">" if library[5] == 2 else "<"
    at_index, at_value, kind = _IN_SYMBOL[library[4]]
    try:
        found = [
            at for at in _symbols(library, order, name) if struct.unpack_from(f"{order}H", library, at + at_index)[0]
        ]
    except (struct.error, IndexError) as error:
        raise ValueError("its section headers cannot be read") from error
    if not found:
        raise LookupError(f"it defines no {name}")
    changed = bytearray(library)
    for at in found:
        # Without the value, too: for some kinds of lookup an undefined symbol with a value counts as found.
        struct.pack_into(f"{order}H", changed, at + at_index, 0)
        struct.pack_into(order + kind, changed, at + at_value, 0)
    return bytes(changed)


def _symbols(library: bytes, order: str, name: str) -> Iterator[int]:
    """Yield for each symbol of that name where it stands."""
    sections = _sections(library, order)
    for kind, offset, size, link, width in sections:
        if kind != _DYNSYM or not width:
            continue
        texts = sections[link][1]
        for at in range(offset, offset + size, width):
            text = texts + struct.unpack_from(f"{order}I", library, at)[0]
            if library[text : library.index(b"\0", text)] == name.encode():
                yield at


def _sections(library: bytes, order: str) -> list[tuple[int, int, int, int, int]]:
    """Return type, offset, size, link and width of an entry, for each section."""
    at_offset, kind, at_size = _AT_SECTIONS[library[4]]
    start = struct.unpack_from(order + kind, library, at_offset)[0]
    width, count = struct.unpack_from(f"{order}2H", library, at_size)
    rows = [struct.unpack_from(order + _SECTION[library[4]], library, start + index * width) for index in range(count)]
    return [(row[1], row[4], row[5], row[6], row[9]) for row in rows]
