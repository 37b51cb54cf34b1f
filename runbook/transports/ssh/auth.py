"""Logging in: certificates and keys of the agent, identity files, passphrases and passwords.

Owns the order of the attempts. Passphrases and passwords come from the port for questions, live in memory for one
run, and are never written anywhere. The agent is asked to sign; it is never forwarded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from runbook.errors import AuthError, ConnectError
from runbook.model.playbook import Param
from runbook.model.question import Answer, Choice, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.secret import Secret
from runbook.transports.ssh.certificate import certified
from runbook.transports.ssh.settings import SshSettings

if TYPE_CHECKING:
    from runbook.transports.ssh.link import Link

SECONDS = 15.0
_MOST = 6  # tries of one connection; MaxAuthTries of sshd_config(5)

Ask = Callable[[Question, Cancel], "Answer | NoAnswer"]


class Passed(NamedTuple):
    """An identity file that cannot be tried."""

    why: str
    remedy: str


class Keys:
    """The keys of one run, each read once; passphrases are asked for once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._files: dict[str, Any] = {}
        self._secrets: dict[str, Secret | None] = {}
        self._lock = Lock()

    def offers(self, settings: SshSettings, cancel: Cancel, passed: list[Passed]) -> Iterator[tuple[str, Any]]:
        """Yield what may be tried: a name for messages, and the key; `passed` gets the files that are passed over."""
        chosen = _public_of(settings) if settings.identities_only else None
        certificates = (*settings.certificate_files, *(f"{path}-cert.pub" for path in settings.identity_files))
        held: set[bytes] = set()
        for name, key in _agent_keys(settings, passed):
            held.add(key.asbytes())
            if chosen is None or key.asbytes() in chosen:
                yield from _both(name, key, certificates, settings.user)
        for path in settings.identity_files:
            if (_public(path) or b"?") in held:
                continue
            key = self._load(path, cancel)
            if not isinstance(key, Passed):
                yield from _both(path, key, certificates, settings.user)
            elif os.path.lexists(path) or settings.identities_only:
                # That one of the usual files is not there is nothing to tell.
                passed.append(key)

    def secret(self, what: str, title: str, cancel: Cancel) -> Secret | None:
        """Ask for a passphrase or a password, once in a run; None if nobody gave it."""
        with self._lock:
            if what not in self._secrets:
                question = Question(
                    id=f"secret/{what}",
                    kind="secret",
                    title=title,
                    fields={"secret": Param(type="secret", required=True)},
                    choices=(Choice("answer", "use this value", key="a"), Choice("pause", "leave", key="p")),
                    safe="pause",
                )
                answer = self._ask(question, cancel)
                value = None if isinstance(answer, NoAnswer) else answer.values.get("secret")
                self._secrets[what] = Secret(value) if isinstance(value, str) and value else None
            return self._secrets[what]

    def forget(self, what: str) -> None:
        """Drop a secret that was refused."""
        with self._lock:
            self._secrets.pop(what, None)

    def _load(self, path: str, cancel: Cancel) -> Any:
        with self._lock:
            if path in self._files:
                return self._files[path]
        key = self._read(path, cancel)
        with self._lock:
            self._files[path] = key
        return key

    def _read(self, path: str, cancel: Cancel) -> Any:
        from paramiko.ssh_exception import PasswordRequiredException, SSHException

        if not os.path.isfile(path):
            remedy = "correct the name that IdentityFile or key_file gives"
            if os.path.exists(path):
                return Passed(f"{path} is {'a folder' if os.path.isdir(path) else 'no file'}, and no key", remedy)
            return Passed(f"{path} does not exist" if not os.path.islink(path) else f"{path} leads nowhere", remedy)
        if os.stat(path).st_mode & 0o077:
            raise AuthError("others may read this key, so it is not used", where=path, remedy=f"chmod 600 {path}")
        try:
            return _open(path, None)
        except PasswordRequiredException:
            pass
        except (SSHException, ValueError):
            return Passed(
                f"{path} holds no private key of a kind that is known", "make one with ssh-keygen, or name another one"
            )
        except OSError as error:
            return Passed(f"{path} cannot be read: {error.strerror}", "make it readable for you, or name another one")
        phrase = self.secret(f"passphrase/{path}", f"The passphrase of {path}", cancel)
        if phrase is None:
            return Passed(
                f"{path} wants its passphrase, and nobody gave it",
                f"load it into the agent with `ssh-add {path}`; at a terminal `runbook run` and `exec` ask for it",
            )
        try:
            return _open(path, phrase.unmask())
        except (SSHException, ValueError, OSError) as error:
            self.forget(f"passphrase/{path}")
            raise AuthError("the passphrase does not open this key", where=path) from error


def _both(name: str, key: Any, certificates: tuple[str, ...], user: str) -> Iterator[tuple[str, Any]]:
    """Yield a key as a certificate has it, and as it is: a host may know it alone."""
    found = certified(key, certificates, user)
    if found is not None:
        why, with_it = found
        yield f"{name} with its certificate{f' ({why})' if why else ''}", with_it
    yield name, key


def _open(path: str, phrase: str | None) -> Any:
    """Read a private key of whatever kind. Raises PasswordRequiredException or another SSHException of paramiko."""
    from paramiko.ecdsakey import ECDSAKey
    from paramiko.ed25519key import Ed25519Key
    from paramiko.rsakey import RSAKey
    from paramiko.ssh_exception import PasswordRequiredException, SSHException

    refusal: Exception = SSHException("no key of a kind that is known")
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            return kind.from_private_key_file(path, password=phrase)
        except PasswordRequiredException:
            raise
        except (SSHException, ValueError) as error:
            refusal = error
    raise refusal


def log_in(link: Link, settings: SshSettings, keys: Keys, cancel: Cancel) -> None:
    """Log in. Raises AuthError if every way was refused, ConnectError if the connection went away."""
    tried: list[str] = []
    passed: list[Passed] = []
    allowed: list[str] = []
    for name, key in keys.offers(settings, cancel, passed):
        if len(tried) == _MOST - 1:
            break
        tried.append(name)
        allowed = _attempt(link, settings, lambda done, key=key: link.auth_publickey(settings.user, key, done), cancel)  # type: ignore[misc]
        if link.is_authenticated():
            return
        if allowed and "publickey" not in allowed:
            break
    if not tried:
        allowed = _attempt(link, settings, lambda done: link.auth_none_later(settings.user, done), cancel)
        if link.is_authenticated():
            return
    takes_password = bool({"password", "keyboard-interactive"} & set(allowed))
    if takes_password and _password(link, settings, keys, allowed, cancel):
        return
    raise _refused(settings, tried, passed, takes_password=takes_password)


def _refused(settings: SshSettings, tried: list[str], passed: list[Passed], *, takes_password: bool) -> AuthError:
    """Return the error of a login that no way led to: what was tried, and what could not be."""
    what = ["the login was refused"]
    if tried or not passed:
        what.append(f"tried {', '.join(tried) if tried else 'nothing: there is no key'}")
    what += [one.why for one in passed]
    if takes_password:
        what.append("the host would take a password, and nobody gave the password")
    remedy = "load the right key into the agent, or name it with IdentityFile or key_file"
    return AuthError("; ".join(what), where=settings.place, remedy=passed[0].remedy if passed else remedy)


def _password(link: Link, settings: SshSettings, keys: Keys, allowed: list[str], cancel: Cancel) -> bool:
    """Try a password if somebody gives it. Raises AuthError if it is wrong: it is never tried twice."""
    what = f"password/{settings.place}"
    secret = keys.secret(what, f"The password of {settings.place}", cancel)
    if secret is None:
        return False
    word = secret.unmask()
    if "password" in allowed:
        _attempt(link, settings, lambda done: link.auth_password(settings.user, word, done, fallback=False), cancel)
    else:
        _attempt(link, settings, lambda done: link.auth_interactive_later(settings.user, word, done), cancel)
    if not link.is_authenticated():
        keys.forget(what)
        raise AuthError("the password was refused", where=settings.place, remedy="begin again to give another one")
    return True


def _attempt(link: Link, settings: SshSettings, begin: Callable[[Event], object], cancel: Cancel) -> list[str]:
    """Make one attempt and wait for its end; return what the host would take instead."""
    from paramiko.ssh_exception import SSHException

    done = Event()
    try:
        begin(done)
        wait(done, SECONDS, cancel, settings, "the login")
    except SSHException as error:
        raise ConnectError(f"the connection ended during the login: {error}", where=settings.place) from error
    if link.is_authenticated():
        return []
    refusal: Exception | None = link.get_exception()
    if not link.is_active():
        why = str(refusal) if refusal is not None else "closed by the host"
        raise AuthError(
            f"the login was refused: {why or 'closed by the host'}", where=settings.place,
            remedy="is the user right, and does the host allow so many tries?",
        )  # fmt: skip
    return list(getattr(refusal, "allowed_types", []) or [])


def wait(done: Event, seconds: float, cancel: Cancel, settings: SshSettings, what: str) -> None:
    """Wait for an event within a deadline. Raises ConnectError."""
    deadline = time.monotonic() + seconds
    with cancel.calling(done.set):
        done.wait(max(0.0, deadline - time.monotonic()))
    if cancel.is_set():
        raise ConnectError(f"cancelled during {what}: {cancel.reason}", where=settings.place)
    if not done.is_set():
        raise ConnectError(f"{what} took longer than {seconds:g} s", where=settings.place)


def _agent_keys(settings: SshSettings, passed: list[Passed]) -> Iterator[tuple[str, Any]]:
    if not settings.agent or not os.path.exists(settings.agent):
        return
    from paramiko.ssh_exception import SSHException

    from runbook.transports.ssh.agent import Agent

    where = f"the agent at {settings.agent}"
    remedy = "start the agent again and load the key into it, or name a key with IdentityFile or key_file"
    agent = Agent()
    try:
        agent.open_at(settings.agent, SECONDS)
        for key in agent.keys(lambda why: passed.append(Passed(f"{where} did not sign: {why}", remedy))):
            yield f"agent key {key.comment or key.get_name()}", key
    except (OSError, SSHException) as error:
        passed.append(Passed(f"{where} does not answer: {error}", remedy))
    finally:
        agent.close()


def _public_of(settings: SshSettings) -> set[bytes]:
    return {blob for path in settings.identity_files if (blob := _public(path))}


def _public(path: str) -> bytes:
    """Return the public part that stands beside an identity file, empty if there is none."""
    import base64

    with suppress(OSError, ValueError, IndexError):
        return base64.b64decode(Path(f"{path}.pub").read_text().split()[1])
    return b""
