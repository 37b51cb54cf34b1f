"""Types for msgspec, built before anybody reads values with them.

msgspec works out what a class looks like at its first use and offers it to other threads half done: whoever reads a
value of it at the same moment takes the whole process down with a segmentation fault. So the first use of each class
is made here, by one thread at a time.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

_lock = threading.Lock()
_built: set[object] = set()


def built(kind: type[T]) -> type[T]:
    """Return the same type, safe to read values with on any thread."""
    if kind not in _built:
        with _lock:
            msgspec.json.Decoder(kind)
            _built.add(kind)
    return kind
