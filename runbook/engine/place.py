"""Places: where a step runs, wave by wave. A place is a host, `*` for what runs once, or `*N` once in a wave."""

from __future__ import annotations

from runbook.model.plan import PlannedStep, Unit


def places_in(unit: Unit, step: PlannedStep, wave: int) -> tuple[str, ...]:
    """Return where a step runs in a wave, counted from 0."""
    if step.once:
        return ("*",) if len(unit.waves) == 1 else (f"*{wave + 1}",)
    if step.hosts == unit.hosts:
        return unit.waves[wave]
    return tuple(host for host in step.hosts if host in unit.waves[wave])


def all_places(unit: Unit, step: PlannedStep) -> tuple[str, ...]:
    """Return where a step runs in all waves."""
    return tuple(place for wave in range(len(unit.waves)) for place in places_in(unit, step, wave))


def wave_of(unit: Unit, place: str) -> int:
    """Return the wave, counted from 0, that a place belongs to."""
    if place.startswith("*"):
        return int(place[1:] or 1) - 1
    return next((number for number, hosts in enumerate(unit.waves) if place in hosts), 0)
