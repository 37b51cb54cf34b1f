"""The target of the transport `ssh`: what `local` does itself is done by the sh of the host, through channels.

Owns what is sent for each call of the port, and the truth about a connection that breaks: what was provably not sent,
what the job folder tells after a new connection, and what nobody knows.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from itertools import count
from threading import Thread
from typing import BinaryIO

import msgspec

from runbook.errors import AuthError, ClaimLost, DispatchRefused, NotPermitted, TransportError
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import (
    Address,
    Cmd,
    Dead,
    Digest,
    Finished,
    FoundJob,
    JobState,
    JobUnknown,
    Lease,
    LeaseHeld,
    LeaseTaken,
    NoJob,
    NotConfirmed,
    OpKey,
    Sink,
    Survey,
)
from runbook.secret import Secret
from runbook.text.quote import shell_words
from runbook.text.sanitise import one_line, reveal
from runbook.transports import survey
from runbook.transports.folder import KEPT_DAYS, Intent, folder_name
from runbook.transports.lease import claim_lost
from runbook.transports.ssh import remote
from runbook.transports.ssh.auth import Keys
from runbook.transports.ssh.channel import Running, Why
from runbook.transports.ssh.connection import Connection
from runbook.transports.ssh.job import Dispatch, is_fenced
from runbook.transports.ssh.login import Opening
from runbook.transports.ssh.output import Gathered
from runbook.transports.ssh.remote import Answer, question
from runbook.transports.ssh.tunnel import tunnel
from runbook.transports.wrapper import READ, read_line, read_text, words

_LOOK = 20.0  # seconds for a question to a host
_ENDING = 30.0  # seconds for ending a job: its grace, the kill, the last look, on a slow host
_PUT_TIMEOUT = 600.0
_MOST_JOBS = 64 << 20  # bytes of an answer that lists jobs with their cards
_OURS = os.urandom(8).hex()
_NUMBER = count()  # of the commands that read; with as many digits for each, no mark is the beginning of another
_GUARDED = 1.0  # seconds after which a command that reads gets a guard on the host


class SshTarget:
    """One host that is reached through sshd."""

    def __init__(
        self, host: Host, connection: Connection, cancel: Cancel, mask: Callable[[str], str], keys: Keys
    ) -> None:
        self._host = host
        self._connection = connection
        self._cancel = cancel
        self._mask = mask
        self._keys = keys
        self._cards: dict[OpKey, str] = {}

    @property
    def host(self) -> Host:
        """The host that this is."""
        return self._host

    @property
    def host_key(self) -> str:
        """Kind and fingerprint of the key that was checked."""
        return self._connection.host_key

    @property
    def place(self) -> str:
        """Login and address by which it is reached."""
        return self._connection.settings.place

    @property
    def connection(self) -> Connection:
        """The connection, for who wants to know how the host was reached."""
        return self._connection

    def read(self, cmd: Cmd, sink: Sink) -> Finished:
        """Run a command that only reads. Raises TransportError if it was not sent."""
        begun = time.monotonic()
        mark = f"runbook-{_OURS}{os.getpid():07x}{next(_NUMBER):08x}"
        login = self._connection.login
        tells = login is None or not login.is_quiet
        line = read_line(cmd, mark, posix=login is not None and login.is_posix, tells=tells)
        if self._cancel.is_set():
            return Finished(None, 0.0, "cancel", evidence=("cancelled before it was started",))
        text = b"" if line else read_text(cmd, mark, self._password(cmd), tells=tells)
        if not tells:
            return self._read(cmd, sink, mark, line, text, begun)
        opening = Opening(sink, mark)
        try:
            finished = self._read(cmd, opening, mark, line, text, begun)
        finally:
            said = opening.close()
            self._connection.login = opening.login or login
        if finished.ended == "exit" and self._connection.login is None and not opening.is_lost:
            words = one_line(said.decode("utf-8", "replace").strip(), 100).rstrip(".")
            raise DispatchRefused(
                f"the host runs no command of this login{f'; it says: {words}' if words else ''}", where=self.place,
                remedy="is its shell one, and does its sshd force another command (ForceCommand, authorized_keys)?",
            )  # fmt: skip
        return finished

    def _read(self, cmd: Cmd, sink: Sink, mark: str, line: str, text: bytes, begun: float) -> Finished:
        deadline = begun + cmd.timeout
        with self._connection.command(sink.write, self._cancel, seconds=cmd.timeout) as running:
            if line:
                running.start_alone(line)
            else:
                running.start(f"{READ} {mark}", text)
            why = running.run(min(deadline, time.monotonic() + _GUARDED), self._cancel)
            if why == "deadline" and time.monotonic() < deadline:
                self._guard(mark, deadline - time.monotonic(), sudo=cmd.sudo)
                why = running.run(deadline, self._cancel)
            return self._read_end(running, why, mark, begun, sudo=cmd.sudo)

    def survey(self) -> Survey:
        """Return what was found on the host; asked once for a connection. Raises TransportError."""
        one = self._connection
        with one.surveying:
            if one.survey is None:
                gathered = Gathered()
                begun = datetime.now(UTC)
                self.read(survey.COMMAND, gathered)
                said = survey.lines_of(gathered.out)
                if "end" not in said:
                    return Survey()
                one.survey = survey.survey_of(said, begun)
            return one.survey

    def tunnel(self, address: Address) -> AbstractContextManager[Address]:
        """Give an address on this machine that reaches the address as the host sees it."""
        return tunnel(self._connection, address, self._cancel)

    def job(self, op: OpKey) -> JobState:
        """Find out, by reading only, what became of an operation."""
        try:
            found = remote.state_of(self._ask("look", key=folder_name(op), patient="1"), self._connection.boot)
        except TransportError as error:
            return JobUnknown((str(error),))
        return NoJob() if is_fenced(found) else found

    def fence(self, op: OpKey) -> bool:
        """Take the place of an operation that has not begun; False if it has. Raises TransportError if that fails."""
        intent = self._intent(op, "never begun", Cmd(("true",)))
        told = self._ask("fence", key=folder_name(op), intent=intent).one("fence")
        if told not in {"made", "taken"}:
            raise TransportError(
                "nothing can be written there, so that what is on its way cannot be kept from beginning",
                where=self._host.name, remedy="make room below the state folder of the login",
            )  # fmt: skip
        return told == "made" or isinstance(self.job(op), NoJob)

    def job_output(self, op: OpKey, sink: Sink) -> None:
        """Replay into the sink what the job has written so far."""
        with self._connection.command(sink.write, Cancel(), seconds=_LOOK) as running:
            running.start(remote.COMMAND, question("output", key=folder_name(op)))
            if running.run(time.monotonic() + _PUT_TIMEOUT, self._cancel) != "closed":
                raise TransportError("the output did not come whole", where=self._host.name)

    def change(self, cmd: Cmd, op: OpKey, sink: Sink) -> Finished:
        """Run a command under the job wrapper. Raises DispatchRefused if it was provably never started."""
        words(cmd)
        password = self._password_for_change(cmd)
        intent = self._intent(op, shell_words(cmd.argv), cmd)
        return self._send(op, sink, cmd, intent, password=password)

    def note(self, op: OpKey, card: str) -> None:
        """Have the folder of an operation that is about to be sent keep a card."""
        self._cards[op] = card

    def jobs(self, run: str = "") -> tuple[FoundJob, ...]:
        """Return the jobs on this host, of one run or of all. Raises TransportError."""
        prefix = f"{remote.host_part(run)}." if run else ""
        return remote.found_jobs(self._ask("jobs", most=_MOST_JOBS, prefix=prefix), self._host.name)

    def put(self, src: BinaryIO, path: str, op: OpKey, *, mode: int | None = None, sudo: bool = False) -> Digest:
        """Replace a file atomically and durably; owner and mode stay as they were.

        Raises DispatchRefused if the file provably is as it was, TransportError if that is not known.
        """
        word = os.urandom(8).hex()
        script = remote.script("put.sh").decode()
        argv = ("sh", "-c", script, "runbook-put", path, f"{mode:o}" if mode is not None else "", word)
        cmd = Cmd(argv, timeout=_PUT_TIMEOUT, sudo=sudo)
        said = Gathered(500)
        sealed = Sealed(src, word)
        intent = self._intent(op, f"replace {reveal(path)}", cmd)
        finished = self._send(op, said, cmd, intent, sealed, self._password_for_change(cmd))
        if finished.ended == "exit" and finished.exit == 0:
            return Digest(sealed.sha256, sealed.size)
        told = said.err.decode("utf-8", "replace").strip()
        why = told or "; ".join(finished.evidence) or f"exit status {finished.exit}"
        # Whatever ends before the exchange leaves the file alone; a killed one may just have made it.
        if finished.ended == "exit" and finished.exit is not None and finished.exit < 128:
            remedy = "use sudo, or another login" if "ermission" in why or "not permitted" in why else ""
            raise DispatchRefused(f"the file was not replaced: {why}", where=path, remedy=remedy)
        raise TransportError(f"it is not known whether the file was replaced: {why}", where=path)

    def attach(self, op: OpKey, sink: Sink, timeout: float) -> Finished:
        """Wait for a job as `change` would have; after `timeout` seconds it is left running."""
        return self._dispatch(op, sink).follow(timeout)

    def kill(self, op: OpKey) -> Dead | NotConfirmed:
        """End everything that the job started, and look whether it did."""
        try:
            return remote.verdict_of(self._ask("kill", within=_ENDING, control=True, key=folder_name(op)))
        except TransportError as error:
            return NotConfirmed((str(error),))

    def forget_output(self, ops: tuple[OpKey, ...]) -> None:
        """Remove what these jobs have printed, of those that left a status; how each ended stays."""
        if ops:
            self._ask("forget", keys="\n".join(folder_name(op) for op in ops))

    def take_lease(self, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        """Claim this host; raises TransportError if the claim cannot be written."""
        head, middle, tail = remote.lease_parts(lease, self._host.name)
        own = remote.run_in_lease(lease.run)
        place = remote.host_part(self._host.name)
        # A holder that goes away between two looks is no reason to give up; somebody who keeps coming is.
        for _ in range(8):
            mark = os.urandom(4).hex()
            said = self._ask("lease", host=place, run=own, head=head, middle=middle, tail=tail, mark=mark)
            taken, holder, boot = said.one("taken"), said.one("held"), said.one("boot") or ""
            if taken is not None:
                self._hold(lease, boot)
                return LeaseTaken(remote.lease_of(taken), boot=boot)
            if holder is None:
                raise TransportError(
                    "the lease cannot be taken", where=f"{self._host.name}: {said.one('failed')}",
                    remedy="make room, or make the folder writable",
                )  # fmt: skip
            held = remote.lease_of(holder)
            if (held.run, held.copy) == (lease.run, lease.copy):
                self._ask("refresh", host=place)
                self._hold(lease, boot)
                return LeaseTaken(held, kept=True, boot=boot)
            told = self._held_by(held)
            if not over or held.run != over or (told.live_jobs and held.run != lease.run):
                return told
            self._give_up(held.host or self._host.name, over, held.copy)
        raise TransportError("the lease changes hands again and again", where=self._host.name, remedy="try again")

    def holder(self) -> LeaseHeld | None:
        """Tell who has claimed this host, under any name; None if nobody has. Raises TransportError."""
        nobody = remote.run_in_lease("")
        said = self._ask("holder", host=remote.host_part(self._host.name), run=nobody).one("held")
        return self._held_by(remote.lease_of(said)) if said is not None else None

    def _held_by(self, lease: Lease) -> LeaseHeld:
        prefix = f"{remote.host_part(lease.run)}."
        answer = self._ask("unfinished", prefix=prefix)
        return LeaseHeld(lease, remote.unfinished(answer, lease.run, lease.host or self._host.name))

    def _hold(self, lease: Lease, boot: str) -> None:
        self._connection.boot = self._connection.boot or boot
        self._connection.leases[self._host.name, lease.run] = remote.run_in_lease(lease.run, lease.copy)

    def release_lease(self, run: str, *, copy: str = "") -> None:
        """Give the claim back; does nothing if it is not of this run. Old job folders go with it, in one round trip."""
        self._connection.leases.pop((self._host.name, run), None)
        self._give_up(self._host.name, run, copy)

    def _give_up(self, name: str, run: str, copy: str) -> None:
        self._ask(
            "release", host=remote.host_part(name), run=remote.run_in_lease(run, copy), mark=os.urandom(4).hex(),
            days=_days(KEPT_DAYS),
        )  # fmt: skip

    def purge(self, older_than: float = KEPT_DAYS * 86400) -> tuple[str, ...]:
        """Remove job folders whose outcome is older than this many seconds, never one without; return their names."""
        return self._ask("purge", days=_days(older_than / 86400)).all("purged")

    def _password(self, cmd: Cmd, *, needed: bool = False) -> Secret | None:
        """Return the password for sudo where it wants one and somebody gives it; asked for once in a run.

        Raises AuthError if it is wrong, NotPermitted if it is `needed` and nobody gives it: sudo would refuse.
        """
        if not cmd.sudo or self._cancel.is_set():
            return None
        one = self._connection
        with one.asking_sudo:
            if not one.sudo:
                one.sudo = self._ask("sudo").one("sudo") or "none"
            if one.sudo != "password" or one.password is not None:
                return one.password
            user = one.settings.user
            secret = self._keys.secret(f"sudo/{user}", f"The password of {user} for sudo", self._cancel)
            if secret is None and needed and self._sudo_refuses():
                # Its rules may be others by the next try.
                one.sudo = ""
                raise NotPermitted(
                    f"sudo wants the password of {user}, and nobody gave it; nothing was sent",
                    where=one.settings.place,
                    remedy="allow the command with NOPASSWD, or run it guided, which asks for the password",
                )
            if secret is None:
                return None
            if self._ask("sudo_try", password=secret.unmask()).one("sudo") != "right":
                self._keys.forget(f"sudo/{user}")
                raise AuthError("sudo does not take this password", where=one.settings.place, remedy="try again")
            one.password = secret
            return secret

    def _sudo_refuses(self) -> bool:
        """Tell whether sudo itself says that it wants a password: what only looks like it may let the command run."""
        said = Gathered(1000)
        self.read(Cmd(("env", "LC_ALL=C", "sudo", "-n", "-v"), timeout=_LOOK), said)
        return b"password is required" in said.err

    def _password_for_change(self, cmd: Cmd) -> Secret | None:
        try:
            return self._password(cmd, needed=True)
        except DispatchRefused:
            raise
        except TransportError as error:
            raise DispatchRefused(
                f"nothing was sent: {error.message}", where=error.where, remedy=error.remedy
            ) from error

    def _send(
        self,
        op: OpKey,
        sink: Sink,
        cmd: Cmd,
        intent: str,
        stream: BinaryIO | Sealed | None = None,
        password: Secret | None = None,
    ) -> Finished:
        """Send a command under the wrapper, and have it refused if the claim of the run was taken over since."""
        own = self._connection.leases.get((self._host.name, op.run), "")
        lease = f"host-{remote.host_part(self._host.name)} {own}" if own else ""
        try:
            return self._dispatch(op, sink).run(cmd, intent, stream, password, lease=lease)
        except ClaimLost as lost:
            try:
                held = self.holder()
            except TransportError:
                raise lost from None
            raise claim_lost(self._host.name, op.run, held) from lost

    def _dispatch(self, op: OpKey, sink: Sink) -> Dispatch:
        return Dispatch(self._connection, self._cancel, folder_name(op), sink, self._ask)

    def _intent(self, op: OpKey, command: str, cmd: Cmd) -> str:
        intent = Intent(
            op.run, op.step, self._host.name, op.attempt, op.name, self._mask(command),
            tuple(sorted(cmd.env)), self._mask(reveal(cmd.cwd)), cmd.sudo, cmd.timeout, self._cards.pop(op, ""),
        )  # fmt: skip
        return msgspec.json.encode(intent).decode()

    def _ask(
        self, call: str, *, within: float = _LOOK, control: bool = False, most: int = 1 << 20, **settings: str
    ) -> Answer:
        """Make one call of `remote.sh`. Raises TransportError if the host gave no whole answer."""
        gathered = Gathered(most)
        if self._connection.password is not None:
            settings.setdefault("password", self._connection.password.unmask())
        # A cancelled run must still look and give back, so this does not listen to its token.
        with self._connection.command(gathered.write, Cancel(), seconds=within, control=control) as running:
            running.start(remote.COMMAND, question(call, **settings))
            why = running.run(time.monotonic() + within)
            if why not in {"closed", "held"} or running.exit is None:
                raise TransportError(self._no_answer(why), where=self._host.name)
        return remote.answer(gathered.out)

    def _no_answer(self, why: Why) -> str:
        if why == "deadline":
            return "the host did not answer in time"
        return f"the host gave no whole answer: {self._connection.why_dead()}"

    def _guard(self, mark: str, seconds: float, *, sudo: bool) -> None:
        """Leave somebody on the host who ends a long read in time, should the connection break."""
        text = question("guard_read", seconds=str(int(seconds) + 1), mark=mark, sudo="1" if sudo else "")

        def body() -> None:
            with (
                suppress(TransportError),
                self._connection.command(Gathered().write, self._cancel, control=True, anew=False) as running,
            ):
                running.start(remote.COMMAND, text)
                running.run(time.monotonic() + _LOOK)

        Thread(target=body, name="ssh-guard", daemon=True).start()

    def _read_end(self, running: Running, why: Why, mark: str, begun: float, *, sudo: bool) -> Finished:
        by = "1" if sudo else ""
        seconds = time.monotonic() - begun
        match why:
            case "closed" if running.exit is not None:
                return Finished(running.exit, seconds)
            case "closed" if not running.granted:
                raise DispatchRefused("the host refuses to run commands for this login", where=self._host.name)
            case "held":
                running.close()
                left = self._ask("left_read", mark=mark, sudo=by).all("living")
                told = ("the command ended, but its output is held open: what comes later was not read",)
                return Finished(running.exit, seconds, dead=False,
                                evidence=(*told, *(f"left running: {line}" for line in left)))  # fmt: skip
            case "deadline" | "cancel":
                try:
                    verdict = remote.verdict_of(self._ask("end_read", within=_ENDING, control=True, mark=mark, sudo=by))
                except TransportError as error:
                    verdict = NotConfirmed((str(error),))
                running.run(time.monotonic() + 1.0)
                return Finished(
                    running.exit,
                    time.monotonic() - begun,
                    "cancel" if why == "cancel" else "timeout",
                    dead=isinstance(verdict, Dead),
                    evidence=verdict.evidence,
                )
            case _:
                evidence = (f"the connection broke: {self._connection.why_dead()}",)
                return Finished(None, seconds, "lost", dead=False, evidence=evidence)


def _days(days: float) -> str:
    """Return what find(1) says for more than so many days: it counts whole ones that are over."""
    return str(max(0, int(days) - 1))


class Sealed:
    """A stream with an end that says what it was, so that a stream that was cut off is known as such."""

    def __init__(self, src: BinaryIO, word: str) -> None:
        self._src = src
        self._word = word
        self._digest = hashlib.sha256()
        self._ended = False
        self.size = 0

    @property
    def sha256(self) -> str:
        """The digest of what went through."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, then the end (98 bytes), then nothing."""
        if self._ended:
            return b""
        data = self._src.read(size)
        if data:
            self._digest.update(data)
            self.size += len(data)
            return data
        self._ended = True
        return f"{self._word} {self.size:015d} {self.sha256}\n".encode()
