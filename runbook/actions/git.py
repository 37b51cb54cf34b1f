"""How `git` is called on a target: its environment, its settings, and what its refusals mean.

Owns the shell prelude that every call goes through, so that the settings hold under sudo and against whatever the
login's environment says. What is asked of git is the business of the modules beside it. Nothing here ever fetches.
"""

from __future__ import annotations

import re

from runbook.actions.capture import MEBIBYTE, Captured, Keep, answer
from runbook.actions.form import script
from runbook.errors import ActionError, DeadlineError
from runbook.ports.target import Cmd, Reader, Sink
from runbook.text import one_line

PRELUDE = r"""
unset GIT_DIR GIT_WORK_TREE GIT_IMPLICIT_WORK_TREE GIT_COMMON_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX
unset GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_NAMESPACE GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_EXTERNAL_DIFF
unset GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS
GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_CONFIG_NOSYSTEM=1 GIT_LITERAL_PATHSPECS=1 LC_ALL=C
GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1
export GIT_TERMINAL_PROMPT GIT_OPTIONAL_LOCKS GIT_CONFIG_NOSYSTEM GIT_LITERAL_PATHSPECS LC_ALL
export GIT_ALLOW_PROTOCOL GIT_NO_LAZY_FETCH
g() {
  git --no-pager -c core.hooksPath=/dev/null -c core.fsmonitor= -c core.fsync=all -c protocol.allow=never \
    -c protocol.ext.allow=never -c log.showSignature=false -c submodule.recurse=false "$@"
}
say() { printf '%s %s\0' "$1" "$2"; }
"""
"""Shell functions `g` (git) and `say` (one fact, as KEY VALUE and a NUL). See git(1), "Environment Variables".

A partial clone would fetch a missing object by itself: no protocol is allowed. Paths are literal, or a star in a file
name would restore its neighbours. The variables of a hook that Runbook may be started from must not name the
repository.
"""

_NO_SUDO = re.compile(r"\bsudo: (command )?(not found|No such file)")
"""As shells say it, and as the system does."""


def ask(t: Reader, text: str, *words: str, sudo: bool, timeout: float) -> Captured:
    """Run a script that only reads, after the prelude; returned whatever its exit status.

    Raises TransportError if it did not come to its end.
    """
    return answer(t, Cmd(script(PRELUDE + text, *words), timeout=timeout, sudo=sudo))


def facts(got: Captured) -> dict[str, str]:
    """Return what a script said with `say`; of a key that was said twice, the last value."""
    said = (record.partition(" ") for record in got.out.split("\0") if record)
    return {key: value for key, _, value in said}


def content(
    t: Reader, top: str, path: str, blob: str, sink: Sink, *, sudo: bool, timeout: float, limit: int = MEBIBYTE
) -> Keep:
    """Read what a checkout would write for a blob at a path (ends of lines and encoding converted, gitattributes(5)).

    All of it goes to `sink`; the first `limit` bytes are kept. Raises ActionError if git cannot read the object,
    TransportError if the target does not answer.
    """
    keep = Keep(limit, sink)
    text = f'{PRELUDE}g -C "$1" cat-file --filters --path="$2" "$3"'
    finished = t.read(Cmd(script(text, top, path, blob), timeout=timeout, sudo=sudo), keep)
    if finished.ended != "exit" or finished.exit is None:
        raise DeadlineError(f"object {blob} was not read to its end", where=t.host.name)
    if finished.exit != 0:
        raise refusal(keep.captured(finished), top, t.host.name)
    return keep


def refusal(got: Captured, repo: str, host: str) -> ActionError:
    """Explain why git, or the script around it, ended with an error."""
    if "dubious ownership" in got.err or "unsafe repository" in got.err:
        return ActionError(
            f"{repo} belongs to another user, and git refuses to work in it",
            where=host,
            remedy=f"as the login user: git config --global --add safe.directory {repo} "
            "(an entry in /etc/gitconfig is not read), or say `sudo: true` if root may",
        )
    if got.exit == 127 and any(_NO_SUDO.search(line) for line in (got.err, *got.finished.evidence)):
        return ActionError("there is no sudo on this target", where=host, remedy="say `sudo: false`, or log in as root")
    if got.exit == 127 or "git: not found" in got.err:
        return ActionError("there is no git on this target", where=host, remedy="install it, or use file.restore")
    if "not a git repository" in got.err:
        return ActionError(f"{repo} is not in a git repository", where=host, remedy="name the folder of the checkout")
    if "must be run in a work tree" in got.err:
        return ActionError(f"{repo} has no checked out files", where=host, remedy="name the folder of the checkout")
    if "cannot change to" in got.err:
        why = "it cannot be entered" if "Permission denied" in got.err else "there is no such folder"
        return ActionError(f"{repo}: {why}", where=host)
    return ActionError(f"git in {repo}: {complaint(got)}", where=host)


def complaint(got: Captured) -> str:
    """Return the first error of git, which says what is wrong; the last line is often advice."""
    lines = [line for line in got.err.split("\n") if line.startswith(("fatal:", "error:"))]
    return one_line(lines[0], 300) if lines else got.why
