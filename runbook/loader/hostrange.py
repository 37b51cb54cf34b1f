"""Ranges in the host names of Ansible inventories: `web[01:10].example.com`, `db-[a:f]`, `n[0:100:10]`.

Both ends belong to the range; a first end with a leading zero gives all numbers its width.
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, product
from string import ascii_letters

MOST = 20_000
"""Hosts of one inventory: a short line can mean a huge one."""

_RANGE = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]")


def expand(written: str) -> tuple[str, ...]:
    """Return the names that a written one means, in order; raises ValueError saying what is wrong with it."""
    pieces = _RANGE.split(written)
    choices: list[Sequence[str]] = [_members(piece) if number % 2 else (piece,) for number, piece in enumerate(pieces)]
    names = tuple("".join(parts) for parts in islice(product(*choices), MOST + 1))
    if len(names) > MOST:
        raise ValueError(f"means more than {MOST} hosts")
    return names


def _members(written: str) -> list[str]:
    first, _, rest = written.partition(":")
    last, _, step = rest.partition(":")
    first = first or "0"
    stride = int(step) if step.isascii() and step.isdigit() else 0 if step else 1
    if stride < 1:
        raise ValueError(f"has the range [{written}], whose step is no number above 0")
    if first.isascii() and first.isdigit() and last.isascii() and last.isdigit():
        return _numbers(written, first, last, stride)
    if len(first) == 1 and len(last) == 1 and first in ascii_letters and last in ascii_letters:
        found = ascii_letters[ascii_letters.index(first) : ascii_letters.index(last) + 1 : stride]
        if found:
            return list(found)
    raise ValueError(f"has the range [{written}], which has no first and last number or letter")


def _numbers(written: str, first: str, last: str, stride: int) -> list[str]:
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and len(last) != width:
        raise ValueError(f"has the range [{written}], whose ends are not of one width")
    if len(last) > 9 or int(first) > int(last):
        raise ValueError(f"has the range [{written}], which does not go upwards")
    numbers = range(int(first), int(last) + 1, stride)
    if len(numbers) > MOST:
        raise ValueError(f"means more than {MOST} hosts")
    return [str(number).zfill(width) for number in numbers]
