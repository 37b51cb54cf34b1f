"""The job wrapper as a text: what is sent to the `sh` of a target, and what it says first.

Owns the settings before the program in `wrapper.sh`, their quoting and the first line of the answer. Sending it and
reading the job folder are left to the transports and to `folder`.

The text travels on the standard input of `sh -s`, never in argv: there it would show secrets in a process list. It
stands between braces, and a shell runs a compound command only once it has read its end, so a text that was cut off
does nothing.
"""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runbook.errors import DispatchRefused
from runbook.ports.target import Cmd
from runbook.secret import Secret

ARGV = ("sh", "-s", "runbook-job")
"""The command that takes the text; the key of the operation follows, so that a process list names it."""

REMOTE = "exec sh -s runbook-job"
"""The same for a login shell, of any kind: without `exec` the wrapper would not lead its session."""

COOKIE = "RUNBOOK_JOB"
"""The environment variable by which the children of a job are known, even those with a session of their own.

For a job it holds the path of its folder with a slash behind it; no other path with one begins like that."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


LOADER = """exec sh -c 'IFS= read -r rb_text && eval "$rb_text"' runbook-job"""
"""The same where input follows the text, which `one_line` has made fit: `read` takes no byte beyond the line end."""

READ = "exec sh -s runbook-read"
"""The same for a command that only reads; a word follows by which it is found again while it waits."""


class Hello(Struct, frozen=True):
    """The first line of the wrapper."""

    started: bool
    why: str = ""
    """Why it refused; empty if it started."""
    facts: dict[str, str] = {}
    """pid, start, session (0: not its own) and store (disk or memory)."""


def job_text(
    cmd: Cmd,
    key: str,
    intent: str,
    *,
    folder: str = "",
    stream: bool = False,
    feed_through: bool = False,
    password: Secret | None = None,
    lease: str = "",
) -> bytes:
    """Return the whole text for `sh -s`.

    Args:
        cmd: the command; its secrets are in the text, so it goes to standard input and nowhere else.
        key: the name of the job folder.
        intent: one line without secrets, kept in the folder.
        folder: a folder that the caller has claimed; empty: the wrapper claims it.
        stream: copy the output to stdout and stderr as well, and end with the exit status of the command; the last
            line on stderr is then that of `ended`.
        password: for sudo, should it ask for one.
        lease: the file name of the claim of the run, a space, and what stands in it alone: without it nothing begins;
            empty: no claim is asked for.
        feed_through: what follows the text on standard input is the input of the command; for `LOADER` only.

    Raises:
        DispatchRefused: a word of the command cannot be passed to a process.
    """
    feed = cmd.stdin if isinstance(cmd.stdin, bytes) else encoded(cmd.stdin.unmask())
    settings = {
        "key": key,
        "intent": intent,
        "timeout": f"{max(cmd.timeout, 0.01):.2f}",
        "ceiling": str(max(1, math.ceil(cmd.timeout))),
        "feed": "2" if feed_through else "1" if feed else "",
        "sudo": "1" if cmd.sudo else "",
        "stream": "1" if stream else "",
        "dir": folder,
        "password": password.unmask() if password is not None else "",
        "lease": lease,
    }
    lines = [b"rb_%s=%s" % (name.encode(), encoded(quote(value))) for name, value in settings.items()]
    lines.append(b"rb_stdin='%s'" % _printable(feed))
    asks = password is not None
    return b"{\n%s\n%s\n%s\n%s}\n" % (b"\n".join(lines), _ANSWER if asks else b"", _command(cmd, asks=asks), _program())


_ANSWER = rb"""
# sudo -A runs SUDO_ASKPASS with the prompt as its argument: `cat` with the name of a pipe. So the password goes through
# the kernel alone, the input of the command stays its own, and where no password is wanted nothing reads it.
rb_answer() {
  rb_ask=$1/ask rb_cat=$(command -v cat)
  mkfifo -m 600 "$rb_ask" || return
  # Who asks again was given the wrong one: from then on the answer is empty. The pipe stays, since who has opened it
  # when it goes would wait for ever; and between two answers the first reader has time to see the end of its own.
  (
    exec >/dev/null 2>&1 3>&- 4>&- 5<&- 6<&- 7<&-
    printf '%s\n' "$rb_password" >"$rb_ask"
    while sleep 0.05 || sleep 1; do : >"$rb_ask"; done
  ) &
  rb_asker=$!
}
"""


def read_text(cmd: Cmd, mark: str, password: Secret | None = None, *, tells: bool = False) -> bytes:
    """Return the text for `sh -s` of a command that only reads: no folder, no time limit, nothing left behind.

    What it starts has `mark/` for its cookie. `tells`: first a line with the mark and the login shell on stdout.
    Raises DispatchRefused if a word cannot be passed to a process.
    """
    feed = cmd.stdin if isinstance(cmd.stdin, bytes) else encoded(cmd.stdin.unmask())
    start = b"rb_command </dev/null"
    if feed:
        start = b"printf %%b '%s' | rb_command" % _printable(feed)
    elif cmd.sudo:
        # The shell stays: what sudo starts belongs to root, and only the shell can be found by the mark.
        start = b"(rb_command </dev/null)"
    lines = [b"rb_dir=%s" % encoded(quote(mark)), _command(cmd, asks=password is not None)]
    if tells:
        lines.insert(0, encoded(_tell(mark)))
    if password is None:
        return b"{\n%s\n}\n" % b"\n".join((*lines, start))
    lines.append(b"rb_password=%s" % encoded(quote(password.unmask())))
    return b"{\n%s\n%s\n}\n" % (b"\n".join(lines), _ANSWERED.replace(b"%b", start))


_ANSWERED = (
    _ANSWER
    + rb"""
rb_private=$(umask 077; mktemp -d /dev/shm/runbook-XXXXXXXX || mktemp -d) || exit 126
trap : HUP INT TERM
rb_answer "$rb_private" 2>/dev/null
%b
rb_exit=$?
kill "$rb_asker" 2>/dev/null
rm -rf "$rb_private"
exit "$rb_exit"
"""
)


_PLAIN = re.compile(r"[ -~]*")
_NOT_SAME = re.compile(r"['!\\]")
"""What does not mean the same to all login shells between single quotes, not even to csh and fish."""
_MOST_PLAIN = 32768


def read_line(cmd: Cmd, mark: str, *, posix: bool = False, tells: bool = False) -> str:
    """Return one command line for a login shell that does what `read_text` does; empty if there is none.

    There is one for what has no environment, folder, input or password of its own, and only words that all shells
    read alike. With `posix` it is for a shell that is known to be one, and saves the host a program; else it is for
    any kind of shell. Raises DispatchRefused if a word cannot be passed to a process.
    """
    _check(cmd)
    if cmd.sudo or cmd.env or cmd.cwd or cmd.stdin or "=" in cmd.argv[0]:
        return ""
    line = " ".join(f"'{word}'" for word in cmd.argv)
    text = " ".join(cmd.argv)
    if len(line) > _MOST_PLAIN or not _PLAIN.fullmatch(text) or _NOT_SAME.search(text):
        return ""
    cookie = f"'{COOKIE}={mark}/'"
    marked = f"export {cookie}; exec {line} </dev/null" if posix else f"exec env {cookie} {line} </dev/null"
    return f"{_tell(mark)}; {marked}" if tells else marked


def _tell(mark: str) -> str:
    """Return what tells the login shell, in the language that all shells share; sshd(8) sets SHELL."""
    return f"echo {mark} $SHELL"


def words(cmd: Cmd) -> tuple[str, ...]:
    """Return the argument vector with sudo as the innermost wrapping, as narrow sudoers rules want it.

    sudo is told the names of the added variables (sudo(8), --preserve-env), so that no value shows in argv.
    Raises DispatchRefused for what cannot be passed to a process.
    """
    _check(cmd)
    if not cmd.sudo:
        return cmd.argv
    keep = (f"--preserve-env={','.join(sorted(cmd.env))}",) if cmd.env else ()
    return ("sudo", "-n", *keep, "--", *cmd.argv)


def unmasked(env: dict[str, str | Secret]) -> dict[str, str]:
    """Return the variables as a process gets them; for the moment of use only."""
    return {name: value.unmask() if isinstance(value, Secret) else value for name, value in env.items()}


def encoded(text: str) -> bytes:
    """Return the bytes of a word; bytes that came in undecodable come out the same."""
    return text.encode("utf-8", "surrogateescape")


def hello(line: bytes) -> Hello | None:
    """Read the first line; None if it is not from the wrapper, or was cut off."""
    name, _, rest = line.decode("utf-8", "replace").partition(" ")
    if name != "runbook-job" or not rest.endswith("\n"):
        return None
    word, _, more = rest.strip().partition(" ")
    if word == "started":
        return Hello(True, facts=dict(fact.split("=", 1) for fact in more.split() if "=" in fact))
    return Hello(False, why=more) if word == "refused" else None


def one_line(text: bytes) -> bytes:
    """Return a text as one line that means the same to a shell."""
    return b"eval \"$(printf %%b '%s')\"\n" % _printable(text).replace(b"\n", b"\\0012")


_ENDED = re.compile(rb"runbook-job ended (\d{1,3}) ([a-z]+)\n\Z")
LONGEST_END = 64
"""More bytes than the last line of a wrapper that streams can have."""


def ended(tail: bytes) -> tuple[int, str] | None:
    """Read exit status and reason from the last line on stderr of a wrapper that streams; None if it is not there."""
    found = _ENDED.search(tail)
    return (int(found[1]), found[2].decode()) if found else None


def _command(cmd: Cmd, *, asks: bool = False) -> bytes:
    lines = [f"export {name}={quote(value)}" for name, value in unmasked(cmd.env).items()]
    lines.append(f'export {COOKIE}="$rb_dir/"')
    if cmd.cwd:
        # CDPATH and options are kept out of it.
        place = cmd.cwd if cmd.cwd.startswith("/") else f"./{cmd.cwd}"
        lines.append(f"cd {quote(place)} || exit 126")
    line = "exec " + " ".join(quote(word) for word in words(cmd))
    if asks and cmd.sudo:
        line = line.replace("exec sudo -n ", 'export SUDO_ASKPASS="$rb_cat"; exec sudo -A -k -p "$rb_ask" ', 1)
    lines.append(line)
    return encoded("rb_command() {\n" + "\n".join(lines) + "\n}")


def _printable(data: bytes) -> bytes:
    """Return bytes in the notation of `printf %b`, to stand between single quotes."""
    return data.replace(b"\\", b"\\\\").replace(b"\0", b"\\0000").replace(b"'", b"'\\''")


def _check(cmd: Cmd) -> None:
    if not cmd.argv or not cmd.argv[0] or cmd.argv[0].startswith("-"):
        raise DispatchRefused("a command needs a name that is no option", where=" ".join(cmd.argv[:1]))
    if any("\0" in word for word in (*cmd.argv, cmd.cwd, *unmasked(cmd.env).values())):
        raise DispatchRefused("a command cannot hold a NUL character", where=cmd.argv[0])
    for name in cmd.env:
        if not _NAME.fullmatch(name):
            raise DispatchRefused(f"{name!r} is no name of an environment variable", where=cmd.argv[0])


@cache
def _program() -> bytes:
    return Path(__file__).with_name("wrapper.sh").read_bytes()
