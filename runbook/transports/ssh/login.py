"""What a login shell does before a command of ours: how it reads the line, and what it says first.

sshd(8) hands every command to the shell of the account, which may read start files (bash does: .bashrc) that print.
Owns the word by which the beginning of the command's own output is known, and what is learnt from it.
"""

from __future__ import annotations

from msgspec import Struct

from runbook.ports.target import Sink, Stream

_POSIX = frozenset({"sh", "bash", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh"})
_MOST_NOISE = 1 << 20


class Login(Struct, frozen=True):
    """The shell of an account, as a first command has met it."""

    shell: str
    """Its path, as sshd names it; empty if it did not say so."""
    is_quiet: bool
    """It says nothing of its own before a command."""

    @property
    def is_posix(self) -> bool:
        """Whether it reads a line as sh does (POSIX.1-2017, Shell Command Language)."""
        return self.shell.rpartition("/")[2] in _POSIX


class Opening:
    """A sink that passes on what comes after a word on standard output, and keeps what a login shell says before it."""

    def __init__(self, sink: Sink, word: str) -> None:
        """Stand before a sink; `word` begins a line that ends with the path of the shell."""
        self._sink = sink
        self._word = word.encode() + b" "
        self._held = b""
        self._is_open = False
        self.login: Login | None = None
        """What was learnt; None as long as the word has not come."""
        self.is_lost = False
        """So much came before the word that it was not waited for."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Take what came."""
        if self._is_open or stream != "out":
            self._sink.write(stream, data)
            return
        self._held += data
        start = self._held.find(self._word)
        end = self._held.find(b"\n", start) if start >= 0 else -1
        if end >= 0:
            shell = self._held[start + len(self._word) : end].decode("utf-8", "replace").strip()
            self.login = Login(shell, is_quiet=start == 0)
            self._held = self._held[end + 1 :]
            self.close()
        elif len(self._held) > _MOST_NOISE:
            self.is_lost = True
            self.close()

    def close(self) -> bytes:
        """Pass on what is held, and return it: where the word never came, nobody knows whose words they are."""
        self._is_open = True
        held, self._held = self._held, b""
        if held:
            self._sink.write("out", held)
        return held
