"""A way to end a wait on descriptors from another thread."""

from __future__ import annotations

import os
from threading import Lock


class Wake:
    """A pipe that becomes readable when it is called, and may be called after it was closed."""

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        self._lock = Lock()
        self._open = True

    def call(self) -> None:
        """Make the descriptor readable, once and for all."""
        # A cancel may call back late: without the lock it could write to a descriptor that is somebody else's by then.
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._end)

    def close(self) -> None:
        """Give both ends back."""
        self.call()
        os.close(self.descriptor)
