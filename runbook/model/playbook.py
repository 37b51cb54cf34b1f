"""The playbook as written: one frozen value per construct of the language, version 1.

The descriptions below are what editors show for each key. Durations are held in seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from runbook.model.scalar import (
    Effect,
    Expression,
    Identifier,
    Json,
    LateMoment,
    Name,
    ParamTemplate,
    Seconds,
    Template,
    Window,
)

ParamType: TypeAlias = Literal[
    "string", "int", "float", "bool", "choice", "duration", "size", "path", "host", "unit", "git_ref", "url", "secret"
]


class Written(Struct, frozen=True, forbid_unknown_fields=True, rename=lambda name: name.rstrip("_")):
    """Anything that stands in a playbook file; keys are the field names without a closing underscore."""


class Param(Written, frozen=True):
    """One parameter of a playbook, or one field of an `ask` form."""

    type: Annotated[ParamType, Meta(description="What values are accepted; checked before anything runs")] = "string"
    default: Annotated[Json, Meta(description="The value if none is given")] = None
    required: Annotated[bool, Meta(description="Refuse to start without a value")] = False
    help: Annotated[str, Meta(description="What it is for, shown in forms")] = ""
    choices: Annotated[tuple[str, ...], Meta(description="The accepted words of a `choice`")] = ()
    pattern: Annotated[str, Meta(description="A regular expression that the whole value must match")] = ""
    min: Annotated[float | None, Meta(description="Smallest accepted number")] = None
    max: Annotated[float | None, Meta(description="Largest accepted number")] = None
    from_: Annotated[str, Meta(description="Where a secret comes from: `env:NAME`, `file:PATH` or `ask`")] = ""
    dash: Annotated[bool, Meta(description="Accept a value that begins with `-`")] = False


class TargetGroup(Written, frozen=True):
    """A named set of hosts."""

    hosts: Annotated[
        str | tuple[str, ...], Meta(description="A pattern: `group:NAME`, a host name, `all`, or a list of patterns")
    ] = "local"
    min: Annotated[int, Meta(description="Refuse to start with fewer hosts", ge=0)] = 1
    max: Annotated[int | None, Meta(description="Refuse to start with more hosts", ge=1)] = None
    pick: Annotated[Literal["all", "one"], Meta(description="`one` takes the first host of the group")] = "all"


class Defaults(Written, frozen=True):
    """What steps take when they do not say it themselves."""

    timeout: Annotated[Seconds, Meta(description="Limit of every command")] = 60.0
    on_failure: Annotated[str, Meta(description="ask, stop, undo or continue")] = "ask"
    parallel: Annotated[int, Meta(description="How many hosts at once", ge=1, le=1000)] = 20


class Retry(Written, frozen=True):
    """How often and when an attempt is made again."""

    limit: Annotated[int, Meta(description="Attempts after the first", ge=1, le=100)] = 1
    delay: Annotated[Seconds, Meta(description="Wait before the next attempt")] = 1.0
    backoff: Annotated[float, Meta(description="Factor by which the wait grows", ge=1, le=10)] = 1.0
    on: Annotated[tuple[str, ...], Meta(description="What to retry on: connect, timeout, exit:N")] = ("connect",)


class Until(Written, frozen=True):
    """Wait for a probe to hold steadily."""

    every: Annotated[Window, Meta(description="Time between samples")] = 2.0
    within: Annotated[Window, Meta(description="Give up after this time")] = 60.0
    for_: Annotated[Window, Meta(description="It must hold without a break for this long")] = 0.0


class ApprovalRule(Written, frozen=True):
    """Who must agree."""

    required: Annotated[int, Meta(description="How many people", ge=1, le=9)] = 1
    not_: Annotated[Literal["requester", ""], Meta(description="Who may not be one of them")] = ""
    expires: Annotated[Seconds | None, Meta(description="An approval is void after this time")] = None


Approve: TypeAlias = Literal["none", "operator", "peer"] | ApprovalRule


class UndoNone(Written, frozen=True):
    """Says why there is no way back."""

    none: Annotated[str, Meta(description="The reason why this cannot or need not be undone", min_length=3)]


class Act(Written, frozen=True):
    """What a probe or an undo step runs: one of `uses`, `command`, `shell`."""

    title: Annotated[ParamTemplate, Meta(description="One line for the operator")] = ""
    uses: Annotated[str, Meta(description="Name of an action or probe, such as `http`")] = ""
    with_: Annotated[dict[str, Json], Meta(description="Its arguments; values are templates")] = {}
    command: Annotated[tuple[Template, ...] | None, Meta(description="Program and arguments; no shell")] = None
    shell: Annotated[str | None, Meta(description="A POSIX sh script; values arrive by `env:`, never by template")] = (
        None
    )
    sudo: Annotated[bool, Meta(description="Run as root through sudo")] = False
    env: Annotated[dict[str, Template], Meta(description="Environment of the command; secrets are welcome here")] = {}
    cwd: Annotated[Template, Meta(description="Working folder of the command")] = ""
    stdin: Annotated[Template, Meta(description="What the command reads; secrets are welcome here")] = ""
    timeout: Annotated[Seconds | None, Meta(description="Limit; the default is `defaults.timeout`, 60s")] = None
    expect: Annotated[
        Expression, Meta(description="Holds if good; over value, status, exit, stdout, json; default: exit 0, HTTP 2xx")
    ] = ""
    until: Annotated[Until | None, Meta(description="Wait until it holds steadily")] = None


class Option(Written, frozen=True):
    """One way out of a decision."""

    id: Annotated[Identifier, Meta(description="The word that answers files and the command line use")]
    title: Annotated[ParamTemplate, Meta(description="What the operator reads")]
    goto: Annotated[str, Meta(description="A later step or stage; all between are skipped; `end` ends the run")] = ""
    help: Annotated[str, Meta(description="When to choose this")] = ""


class Choose(Written, frozen=True):
    """A decision of the operator."""

    question: Annotated[ParamTemplate, Meta(description="What has to be decided")]
    options: Annotated[tuple[Option, ...], Meta(description="The ways out", min_length=2)]


class Notify(Written, frozen=True):
    """A message to people: it is shown, recorded, and given to a command if one is named."""

    message: Annotated[ParamTemplate, Meta(description="The text")]
    command: Annotated[
        tuple[str, ...], Meta(description="A program on the controller that reads the text from stdin")
    ] = ()


class Include(Written, frozen=True):
    """Another playbook whose steps are put in this place, flattened when the run is planned."""

    id: Annotated[str, Meta(description="Id of a playbook, or a path beside this file")]
    params: Annotated[dict[str, Json], Meta(description="Values for its parameters; templates over params")] = {}


class Step(Act, frozen=True, kw_only=True):
    """One step: exactly one of uses, command, shell, manual, ask, choose, wait, notify, playbook."""

    id: Annotated[Identifier, Meta(description="Unique in the playbook")]
    guide: Annotated[ParamTemplate, Meta(description="Why, what to look for, when to stop (Markdown)")] = ""
    on: Annotated[str, Meta(description="A name of `targets`; needed if there is more than one")] = ""
    when: Annotated[Expression, Meta(description="Skip the step where this does not hold")] = ""
    manual: Annotated[ParamTemplate | None, Meta(description="What the operator does by hand, then confirms")] = None
    ask: Annotated[dict[Name, Param] | None, Meta(description="A form; answers are `steps.ID.FIELD`")] = None
    choose: Annotated[Choose | None, Meta(description="A decision with a `goto` per option")] = None
    wait: Annotated[Seconds | None, Meta(description="Let time pass")] = None
    notify: Annotated[ParamTemplate | Notify | None, Meta(description="Tell people")] = None
    playbook: Annotated[str | Include | None, Meta(description="Include another playbook")] = None
    effect: Annotated[Effect | None, Meta(description="Must be said for command and shell")] = None
    sensitive: Annotated[bool, Meta(description="Do not keep the output")] = False
    redact: Annotated[tuple[str, ...], Meta(description="Regular expressions to mask in the output")] = ()
    capture: Annotated[
        dict[Name, Expression],
        Meta(description="Names for later steps: expressions over result, value, exit, stdout, json"),
    ] = {}
    retry: Annotated[Retry | None, Meta(description="Attempts after a failure")] = None
    idempotent: Annotated[bool, Meta(description="Running it twice does no harm")] = False
    verify: Annotated[
        dict[str, Json] | tuple[Act, ...] | None,
        Meta(
            description="A list adds probes, a mapping sets options of the built-in check; "
            "of a command `{none: reason}` says why nothing checks it"
        ),
    ] = None
    undo: Annotated[UndoNone | tuple[Act, ...] | None, Meta(description="The way back, or why there is none")] = None
    activates: Annotated[tuple[str, ...], Meta(description="Steps that take effect by this one")] = ()
    approve: Annotated[Approve, Meta(description="Who must agree before it runs")] = "none"
    on_failure: Annotated[str, Meta(description="ask, stop, undo, continue or goto:LATER-STEP")] = ""
    parallel: Annotated[int | None, Meta(description="How many hosts at once", ge=1, le=1000)] = None

    @property
    def unchecked(self) -> Json:
        """Why nothing checks what it changed, as `verify: {none: reason}` says it; None if that is not written."""
        return self.verify["none"] if isinstance(self.verify, dict) and set(self.verify) == {"none"} else None


class Rollout(Written, frozen=True):
    """How a stage spreads over its hosts."""

    waves: Annotated[tuple[int | str, ...], Meta(description="Cumulative sizes: counts or percentages, rounded up")] = (
        "100%",
    )
    max_unavailable: Annotated[
        int | str | None,
        Meta(
            description="How many hosts this run may have broken before it stops; rounded up. "
            "No more than one above it are changed at once"
        ),
    ] = None
    pause: Annotated[Seconds, Meta(description="Wait between waves")] = 0.0


class Stage(Written, frozen=True, kw_only=True):
    """Steps that go through the waves together."""

    stage: Annotated[Identifier, Meta(description="Name of the stage, unique among steps and stages")]
    title: Annotated[ParamTemplate, Meta(description="One line for the operator")] = ""
    on: Annotated[str, Meta(description="A name of `targets`")] = ""
    when: Annotated[Expression, Meta(description="Skip the stage if this does not hold")] = ""
    rollout: Annotated[Rollout, Meta(description="Waves")] = Rollout()
    approve: Annotated[Approve, Meta(description="Asked once, before the first wave, for all waves")] = "none"
    on_failure: Annotated[str, Meta(description="ask, stop, undo, continue or goto:LATER-STEP")] = ""
    parallel: Annotated[int | None, Meta(description="How many hosts at once", ge=1, le=1000)] = None
    steps: Annotated[tuple[Step, ...], Meta(description="The steps, in order", min_length=1)]


class UndoScope(Written, frozen=True):
    """What a breached guard takes back."""

    undo: Annotated[Literal["wave", "stage", "run"], Meta(description="How far back to go")]


class Baseline(Written, frozen=True, kw_only=True):
    """A normal value to compare with."""

    id: Annotated[Name, Meta(description="`baseline.ID` in expressions")]
    uses: Annotated[str, Meta(description="A probe with a value, such as `metric.query`")]
    with_: Annotated[dict[str, Json], Meta(description="Arguments of the probe")] = {}
    at: Annotated[LateMoment | None, Meta(description="Ago, such as -2h, or when; without it, at the start")] = None
    when: Annotated[Expression, Meta(description="Taken only if this holds; knows parameters")] = ""


class Guard(Written, frozen=True, kw_only=True):
    """A watch over the whole run."""

    id: Annotated[Identifier, Meta(description="Unique among the guards")]
    uses: Annotated[str, Meta(description="A probe, such as `metric.query`")]
    with_: Annotated[dict[str, Json], Meta(description="Arguments of the probe")] = {}
    fail_when: Annotated[Expression, Meta(description="A sample is bad if this holds")]
    every: Annotated[Window, Meta(description="Time between samples")] = 30.0
    when: Annotated[Expression, Meta(description="Watches only if this holds; knows parameters")] = ""
    threshold: Annotated[int, Meta(description="Bad samples in a row that make a breach", ge=1)] = 1
    arm_after: Annotated[str, Meta(description="Watch from the end of this step on")] = ""
    on_breach: Annotated[Literal["pause", "stop"] | UndoScope, Meta(description="What to do")] = "pause"


class Playbook(Written, frozen=True, kw_only=True):
    """A whole playbook file."""

    schema: Annotated[Literal["runbook/v1"], Meta(description="Version of the language")]
    id: Annotated[Identifier, Meta(description="Name of the playbook; the name of its file")]
    title: Annotated[str, Meta(description="One line for lists")]
    summary: Annotated[str, Meta(description="What it is for (Markdown)")] = ""
    symptoms: Annotated[tuple[str, ...], Meta(description="Words of alerts that point to this playbook")] = ()
    severity: Annotated[Literal["sev1", "sev2", "sev3", "sev4", ""], Meta(description="How bad it is")] = ""
    owner: Annotated[str, Meta(description="Who keeps it true")] = ""
    reviewed: Annotated[str, Meta(description="Date of the last review, YYYY-MM-DD")] = ""
    params: Annotated[dict[Name, Param], Meta(description="What the operator may set")] = {}
    targets: Annotated[dict[Name, TargetGroup], Meta(description="Where it runs; without it, on this machine")] = {}
    defaults: Annotated[Defaults, Meta(description="What steps take when they do not say it")] = Defaults()
    baseline: Annotated[tuple[Baseline, ...], Meta(description="Normal values")] = ()
    guards: Annotated[tuple[Guard, ...], Meta(description="Watches over the run")] = ()
    steps: Annotated[tuple[Step | Stage, ...], Meta(description="What to do, in order", min_length=1)]
