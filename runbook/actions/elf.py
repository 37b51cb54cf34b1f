"""What an ELF file says about the libraries that it needs: read as data, never run.

Programs that list dependencies start the loader on the file, and may thereby run code that it names (ldd(1) warns of
it; audit modules are loaded even for a mere listing). Here only the dynamic section is read (elf(5)). A hostile file
can lie about its needs, but not do anything, and what it can make us read is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from msgspec import Struct

Fetch = Callable[[int, int], bytes]
"""Returns the bytes at an offset, fewer at the end of the file."""

_MOST_ENTRIES = 1024
_MOST_TEXT = 4096
_MOST_VERSIONS = 4096
_PT_LOAD, _PT_DYNAMIC = 1, 2
_NULL, _NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH, _FLAGS_1 = 0, 1, 5, 14, 15, 29, 0x6FFFFFFB
_VERDEF, _VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
_NODEFLIB = 0x800
_WEAK = 2


class NotElf(Exception):
    """The file is none that the loader would take."""


class Elf(Struct, frozen=True):
    """The dynamic section of a program or library."""

    machine: str
    """Class, byte order and machine as hexadecimal text; only equal ones go together."""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    no_default: bool = False
    """It does without cache and default folders."""
    wants: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Versions that it must find: name of the library, versions."""
    offers: frozenset[str] = frozenset()
    """Versions that it has."""


class _Image:
    """A file, read through its program headers."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        ident = fetch(0, 20)
        if len(ident) < 20 or ident[:4] != b"\x7fELF" or ident[4] not in {1, 2} or ident[5] not in {1, 2}:
            raise NotElf("it is no ELF file")
        self.wide = ident[4] == 2
        self.order = "<" if ident[5] == 1 else ">"
        self.machine = ident[4:6].hex() + ident[18:20].hex()
        (headers,) = self.unpack("Q", 32) if self.wide else self.unpack("I", 28)
        size, count = self.unpack("HH", 54 if self.wide else 42)
        if count > _MOST_ENTRIES:
            raise NotElf("it has too many program headers")
        self.segments = [self._segment(headers + number * size) for number in range(count)]
        self.headers_end = headers + count * size

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        """Return the numbers at an offset of the file."""
        size = struct.calcsize(self.order + form)
        data = self._fetch(offset, size)
        if len(data) < size:
            raise NotElf("it is cut off")
        return struct.unpack(self.order + form, data)

    def _segment(self, offset: int) -> tuple[int, int, int, int]:
        """Return type, offset, address and size in the file."""
        if self.wide:
            kind, _, start, address, _, size = self.unpack("IIQQQQ", offset)
        else:
            kind, start, address, _, size = self.unpack("IIIII", offset)
        return kind, start, address, size

    def place(self, address: int) -> int:
        """Return where in the file an address is."""
        for kind, start, base, size in self.segments:
            if kind == _PT_LOAD and base <= address < base + size:
                return start + address - base
        raise NotElf("its dynamic section leads nowhere")

    def text(self, offset: int) -> str:
        """Return the text at an offset of the file."""
        data = self._fetch(offset, _MOST_TEXT)
        return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def read_elf(fetch: Fetch) -> Elf:
    """Return what the file says. Raises NotElf if it is none, or damaged."""
    image = _Image(fetch)
    found = _dynamic(image)
    if _STRTAB not in found:
        return Elf(image.machine)
    strings = image.place(found[_STRTAB][0])

    def words(tag: int) -> tuple[str, ...]:
        return tuple(image.text(strings + offset) for offset in found.get(tag, []))

    soname = words(_SONAME)
    return Elf(
        machine=image.machine,
        soname=soname[0] if soname else "",
        needed=words(_NEEDED),
        rpath=_folders(words(_RPATH)),
        runpath=_folders(words(_RUNPATH)),
        no_default=any(flags & _NODEFLIB for flags in found.get(_FLAGS_1, [])),
        wants=_wants(image, found, strings),
        offers=_offers(image, found, strings),
    )


def extent(fetch: Fetch) -> int:
    """Return how many bytes the file must have at least: up to the end of its last segment and of its section headers.

    What was cut off in the middle is shorter. Raises NotElf if it is none, or damaged.
    """
    image = _Image(fetch)
    (sections,) = image.unpack("Q", 40) if image.wide else image.unpack("I", 32)
    size, count = image.unpack("HH", 58 if image.wide else 46)
    # With very many sections the count is 0 and stands elsewhere; then the first one must do.
    sections_end = sections + size * max(count, 1) if sections else 0
    return max(image.headers_end, sections_end, *(start + size for _, start, _, size in image.segments), 0)


def _dynamic(image: _Image) -> dict[int, list[int]]:
    """Return the entries of the dynamic section by their tag; none if the file is linked statically."""
    section = next(((start, size) for kind, start, _, size in image.segments if kind == _PT_DYNAMIC), None)
    found: dict[int, list[int]] = {}
    if section is None:
        return found
    form, step = ("QQ", 16) if image.wide else ("II", 8)
    for number in range(min(section[1] // step, _MOST_ENTRIES)):
        tag, value = image.unpack(form, section[0] + number * step)
        if tag == _NULL:
            break
        found.setdefault(tag, []).append(value)
    return found


def _wants(image: _Image, found: dict[int, list[int]], strings: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the versions that are required; weak ones are not, the loader goes on without them."""
    wants: list[tuple[str, tuple[str, ...]]] = []
    seen = 0
    offset = image.place(found[_VERNEED][0]) if _VERNEED in found else 0
    while offset:
        _, count, file, first, step = image.unpack("HHIII", offset)
        seen += count + 1
        if seen > _MOST_VERSIONS:
            raise NotElf("it asks for too many versions")
        names, at = [], offset + first
        for _ in range(count):
            _, flags, _, name, onward = image.unpack("IHHII", at)
            if not flags & _WEAK:
                names.append(image.text(strings + name))
            at += onward
        wants.append((image.text(strings + file), tuple(names)))
        offset = offset + step if step else 0
    return tuple(wants)


def _offers(image: _Image, found: dict[int, list[int]], strings: int) -> frozenset[str]:
    offers: set[str] = set()
    offset = image.place(found[_VERDEF][0]) if _VERDEF in found else 0
    for _ in range(_MOST_ENTRIES if offset else 0):
        _, _, _, _, _, first, step = image.unpack("HHHHIII", offset)
        (name,) = image.unpack("I", offset + first)
        offers.add(image.text(strings + name))
        if not step:
            break
        offset += step
    return frozenset(offers)


def _folders(written: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for text in written for part in text.split(":") if part)
