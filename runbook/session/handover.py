"""Handing a run over: one file with all that another operator on another machine needs to resume or undo it.

A bundle is a gzipped tar archive: `manifest.json`, `journal.jsonl`, and the side files under `output/`. The journal
that is handed over ends with the bundle's name; the adopting one goes on from that very line, so a fork shows.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import msgspec
from msgspec import Struct

from runbook.config import Settings
from runbook.errors import JournalBroken, UsageError
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.status import RunStatus
from runbook.journal import Disk, Head, Layout, Ledger, Writer, is_run_id, parse, verify_run
from runbook.model.built import built
from runbook.model.scalar import Json
from runbook.session.lease import returned_leases
from runbook.session.provenance import actor, boot_id, versions
from runbook.session.record import JournalRecorder, facts_of
from runbook.session.result import CLOSED
from runbook.session.run import reopen

LIMIT = 512 * 1024 * 1024
"""Bytes that a bundle may unpack to."""


class Manifest(Struct, frozen=True):
    """What a bundle says of itself."""

    run: str
    bundle: str
    journal_sha256: str
    files: dict[str, str]
    """Side files by name with their SHA-256."""
    version: int = 1


def handover(settings: Settings, run: str, path: Path, reason: str) -> Path:
    """Close a resting run here and write its bundle; raises UsageError if it is over, JournalLocked if it lives."""
    layout = Layout(settings.state)
    if path.exists():
        raise UsageError("there is such a file already", where=str(path), remedy="name another one")
    writer, state = reopen(layout, run)
    with writer:
        if state.status in CLOSED and not state.standing:
            raise UsageError(f"run {run} is over: {state.status}")
        status: RunStatus = "interrupted" if state.live and state.status == "running" else state.status
        name = f"{run}-{hashlib.sha256(os.urandom(16)).hexdigest()[:8]}"
        recorder = JournalRecorder(writer)
        recorder.record(
            f.SessionOpened(
                mode="handover", actor=actor(), boot_id=boot_id(), versions=versions(), options={"reason": reason}
            )
        )
        # Who adopts the run claims the targets anew; until then nobody here works on them.
        for fact in returned_leases(settings, run, state):
            recorder.record(fact)
        recorder.record(f.SessionClosed(status=status, next_session=name))
        writer.close(status)
    _write(layout, run, name, path)
    return path


def _write(layout: Layout, run: str, name: str, path: Path) -> None:
    journal = layout.journal(run).read_bytes()
    files = {p.name: p.read_bytes() for p in sorted(layout.output(run).iterdir()) if p.is_file()}
    manifest = Manifest(run, name, _sha256(journal), {n: _sha256(data) for n, data in files.items()})
    draft = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as archive:
                _add(archive, "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
                _add(archive, "journal.jsonl", journal)
                for file, data in files.items():
                    _add(archive, f"output/{file}", data)
            raw.flush()
            os.fsync(raw.fileno())
        draft.rename(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"the bundle cannot be written: {error.strerror}", where=str(path)) from error


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    archive.addfile(info, io.BytesIO(data))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def adopt(settings: Settings, path: Path, reason: str) -> str:
    """Take over the run of a bundle; return its id.

    Raises UsageError if the file is no bundle or the run here has gone on since, JournalBroken if the bundle does not
    hold.
    """
    manifest, journal, files = _read(path)
    layout = Layout(settings.state)
    layout.prepare(Disk())
    run = manifest.run
    if layout.folder(run).exists():
        present = layout.journal(run).read_bytes()
        if not journal.startswith(present):
            raise UsageError(
                f"run {run} is here, and has gone on since the handover", where=str(path), remedy="that would be a fork"
            )
    _place(layout, run, journal, files)
    report = verify_run(layout, run)
    if not report.holds:
        raise JournalBroken(f"the adopted run does not hold: {report.status}", where=str(report.place or path))
    state = fold_all(facts_of(layout, run))
    with Writer.append_to(layout, run) as writer:
        recorder = JournalRecorder(writer)
        options: dict[str, Json] = {"bundle": manifest.bundle, "reason": reason}
        recorder.record(
            f.SessionOpened(mode="adopt", actor=actor(), boot_id=boot_id(), versions=versions(), options=options)
        )
        recorder.record(f.SessionClosed(status=state.status))
        writer.close(state.status)
    return run


def _read(path: Path) -> tuple[Manifest, bytes, dict[str, bytes]]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            content = {m.name: _member(archive, m) for m in _bounded(archive, path)}
        manifest = msgspec.json.decode(content.pop("manifest.json"), type=built(Manifest))
        journal = content.pop("journal.jsonl")
    except (OSError, tarfile.TarError, KeyError, EOFError, msgspec.MsgspecError) as error:
        raise UsageError(f"this is no bundle of a handover: {error}", where=str(path)) from error
    files = {name.removeprefix("output/"): data for name, data in content.items()}
    sums = {name: _sha256(data) for name, data in files.items()}
    if not is_run_id(manifest.run) or _sha256(journal) != manifest.journal_sha256 or sums != manifest.files:
        raise JournalBroken("the bundle was changed: its parts differ from its manifest", where=str(path))
    return manifest, journal, files


def _bounded(archive: tarfile.TarFile, path: Path) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in archive:
        total += member.size
        folder, _, name = member.name.rpartition("/")
        if total > LIMIT or not member.isfile() or folder not in ("", "output") or name in ("", ".", ".."):
            raise UsageError("this is no bundle of a handover", where=str(path))
        members.append(member)
    return members


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file is not None else b""


def _place(layout: Layout, run: str, journal: bytes, files: dict[str, bytes]) -> None:
    """Put a run into the state folder, and its first and last line into the ledger."""
    lines = journal.splitlines()
    if not lines or not journal.endswith(b"\n"):
        raise JournalBroken("the journal in the bundle has no whole line")
    is_new = not layout.folder(run).exists()
    present = b"" if is_new else layout.journal(run).read_bytes()
    for folder in (layout.folder(run), layout.output(run), layout.inbox(run)):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, data in files.items():
        _put(layout.output(run) / name, data)
    _put(layout.journal(run), journal)
    ledger = Ledger(layout)
    if is_new:
        ledger.open_run(Head(run, 0, _sha256(lines[0])))
    if present != journal:
        last = parse(lines[-1])
        ledger.close_run(Head(run, last.seq, _sha256(lines[-1]), str(last.data.get("status", ""))))


def _put(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
