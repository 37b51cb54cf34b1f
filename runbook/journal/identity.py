"""Run ids: ULIDs in lower case.

Owns how an id is made. Leaves what is found by its prefix to the reader.
"""

import os
from collections.abc import Callable
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_run_id(now: datetime, random: Callable[[int], bytes] = os.urandom) -> str:
    """Make an id of 26 characters that sorts by time: 48 bits of milliseconds, 80 random bits (the ULID layout)."""
    number = int(now.timestamp() * 1000) << 80 | int.from_bytes(random(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
