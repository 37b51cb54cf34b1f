"""The section that says where it all comes from: playbook, people, hosts, parameters, sessions, and the journal."""

from __future__ import annotations

from collections.abc import Mapping

from runbook.events import fact as f
from runbook.model.scalar import Json
from runbook.report.block import item, part, section, table
from runbook.report.story import Session, Story
from runbook.report.word import full_moment, marked, moment, person, value_text
from runbook.text import counted, markdown, size_text

_TEXTS = ("text", "includes")
"""Full texts of playbooks: in the journal, not on a page for people."""

_FIRST = ("id", "title", "path", "source", "sha256", "git_commit", "git_dirty")
"""What is told of a playbook first; records have their keys in the order of the alphabet."""

_DEEPEST = 8
"""How deep playbooks may include each other."""

_HOST_WORDS = ("name", "transport", "address", "user")
_HOST_SILENT = {*_HOST_WORDS, "vars", "groups"}


def provenance(story: Story) -> list[str]:
    """Return the section about sources and the journal itself."""
    opened = story.state.opened
    blocks = [
        *part("Playbook", ["\n".join(_playbook(opened))]),
        *part("Parameters", ["\n".join(_parameters(opened))]),
        *part("Hosts", [_hosts(story)]),
        *part("Sessions", _sessions(story)),
        *part("Options of the sessions", ["\n".join(_options(story))]),
        *part("The journal", ["\n".join(_journal(story))]),
    ]
    return section("Provenance", blocks)


def _playbook(opened: f.SessionOpened | None) -> list[str]:
    if opened is None:
        return ["The record of the opening is missing: playbook, hosts and parameters are not known."]
    lines = [
        item(markdown(_label(name)), "not known" if value in (None, "") else value_text(value))
        for name, value in sorted(opened.playbook.items(), key=_rank)
        if name not in _TEXTS
    ]
    lines.extend(_included(opened.playbook.get("includes"), 0))
    if opened.plan_digest:
        lines.append(item("plan digest", opened.plan_digest))
    return lines or ["Nothing is on record about it."]


def _rank(entry: tuple[str, Json]) -> int:
    return _FIRST.index(entry[0]) if entry[0] in _FIRST else len(_FIRST)


def _included(includes: Json, depth: int) -> list[str]:
    """Return the included playbooks with their digests, those that they include after them."""
    if not isinstance(includes, dict) or depth > _DEEPEST:
        return []
    lines: list[str] = []
    for name, inner in includes.items():
        known: Mapping[str, Json] = inner if isinstance(inner, dict) else {}
        words = f"{value_text(known.get('path') or name)}, sha256 {value_text(known.get('sha256') or 'not known')}"
        lines.extend((item("includes", words), *_included(known.get("includes"), depth + 1)))
    return lines


def _parameters(opened: f.SessionOpened | None) -> list[str]:
    if opened is None:
        return []
    lines = [item(markdown(name), value_text(value)) for name, value in opened.params.items()]
    for host, values in opened.host_params.items():
        lines.extend(item(markdown(f"{name} on {host}"), value_text(value)) for name, value in values.items())
    return lines


def _hosts(story: Story) -> str:
    """Return every host as it was when a session opened; one that changed in between shows twice."""
    found: dict[tuple[str, ...], None] = {}
    proven = _proven(story)
    for session in story.sessions:
        for host in session.opened.hosts:
            entry: Mapping[str, Json] = host if isinstance(host, dict) else {"name": host}
            named = tuple(value_text(entry[word]) if entry.get(word) else "" for word in _HOST_WORDS)
            more = "; ".join(f"{_label(k)} {value_text(v)}" for k, v in entry.items() if v and k not in _HOST_SILENT)
            known = "; ".join((*filter(None, (more,)), *proven.get(str(entry.get("name")), ())))
            found[*named, known] = None
    return table(("Name", "Transport", "Address", "User", "More"), found)


def _proven(story: Story) -> dict[str, dict[str, None]]:
    """Return what hosts have proven and shown, by name: how they were reached, their keys, how far clocks were off."""
    found: dict[str, dict[str, None]] = {}
    for each in story.timed:
        match each.fact:
            case f.TargetMet(target=host, place=place, host_key=key):
                found.setdefault(host, {}).update(
                    dict.fromkeys((f"reached as {value_text(place)}", f"key {value_text(key)}"))
                )
            case f.LeaseClaimed(target=host, host_key=key, clock_offset=offset):
                told = found.setdefault(host, {})
                if key:
                    told[f"key {value_text(key)}"] = None
                if offset is not None:
                    told["its clock agreed" if offset == 0 else f"its clock was {offset:+d} s off"] = None
            case _:
                pass
    return found


def _sessions(story: Story) -> list[str]:
    shown = table(
        ("Mode", "Opened (UTC)", "Closed (UTC)", "Left as", "Who", "Versions"),
        (_session(session) for session in story.sessions),
    )
    return [
        shown,
        "Names of people are self-asserted, unless the line *Journal* above says that the heads are signed."
        if shown
        else "",
    ]


def _session(session: Session) -> tuple[str, ...]:
    closed = session.closed
    actor = {key: value for key, value in session.opened.actor.items() if value not in (None, "", [], {})}
    name = person(actor)
    more = ", ".join(f"{_label(k)} {value_text(v)}" for k, v in actor.items() if k not in ("user", "host"))
    return (
        session.opened.mode,
        moment(session.time),
        moment(session.last) if closed is not None else f"not closed, last record {moment(session.last)}",
        marked(closed.status) if closed is not None else "",
        f"{name} ({more})" if more else name,
        value_text(session.opened.versions),
    )


def _options(story: Story) -> list[str]:
    lines = []
    for session in story.sessions:
        given = {k: v for k, v in session.opened.options.items() if v not in (None, "", [], {}, False)}
        if given:
            words = ", ".join(f"{_label(name)}: {value_text(value, 1)}" for name, value in given.items())
            lines.append(item(f"{session.opened.mode}, {markdown(moment(session.time))} UTC", words))
    return lines


def _journal(story: Story) -> list[str]:
    lines = [item("Records", _records(story))]
    for first, last in story.gaps:
        span = f"record {first}" if first == last else f"records {first} to {last}"
        lines.append(item("Missing", f"{span}; this report does not know what they said"))
    for each in story.timed:
        match each.fact:
            case f.JournalRepaired(size=size, sha256=digest):
                words = f"a torn last line of {size_text(size)} was set aside (sha256 {digest[:16]})"
                told = "a crash leaves such a line, it is no sign of tampering"
                lines.append(item("Repaired", f"{full_moment(each.time)}, {words}; {told}"))
            case f.ListenerFailed(listener=name, error=error):
                lines.append(item("A listener failed", f"{full_moment(each.time)}, {name}: {error}; the run went on"))
            case _:
                pass
    if story.backwards:
        lines.append(item("Clock", f"the time of day went back {counted(story.backwards, 'time')}"))
    return lines


def _records(story: Story) -> str:
    if not story.timed:
        return "none"
    numbers = [each.seq for each in story.timed]
    return f"{len(numbers)}, from {min(numbers)} to {max(numbers)}"


def _label(name: str) -> str:
    return name.replace("_", " ")
