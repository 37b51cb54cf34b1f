from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import PlaybookError
from runbook.loader import PlaybookFaults, Source, diagnose, load_playbook
from runbook.loader.diagnostic import MAX_FAULTS
from runbook.model.convert import keys_of
from runbook.model.playbook import Stage, Step
from runbook.ports.action import Catalogue

Faults = Callable[..., list[str]]
Write = Callable[[str, str], Path]

HEAD = "schema: runbook/v1\nid: p\ntitle: T\n"

WHOLE = """\
schema: runbook/v1
id: config-rollback
title: Roll back a bad configuration
summary: |
  The database pool is exhausted.
symptoms: ["pool exhausted"]
severity: sev1
owner: sre@example.com
reviewed: 2026-01-01
params:
  service: {type: unit, default: order-service, help: systemd unit to restart}
  file: {type: path, default: /opt/config/db-config.yaml}
  good_ref: {type: git_ref, required: true}
  version: {default: 1.10}
  db_pass: {type: secret, from: "env:DB_PASS"}
targets:
  app: {hosts: "group:order", min: 1}
defaults: {timeout: 20s, on_failure: stop}
steps:
  - id: freeze
    manual: Stop the release automation of {{ params.service }}.
  - id: compare
    title: Compare with {{ params.good_ref }}
    on: app
    uses: git.diff
    with: {repo: /opt/config, path: "{{ params.file }}", ref: 1.10}
    capture: {changed: "result.changed", good: "result.ref_sha256"}
  - stage: roll-back
    on: app
    when: "any(steps.compare.changed)"
    rollout: {waves: [1, 10%, 50%, 100%], max_unavailable: 10%, pause: 30s}
    approve: operator
    steps:
      - id: restore
        uses: git.restore
        with: {repo: /opt/config, path: "{{ params.file }}", ref: "{{ params.good_ref }}"}
      - id: restart
        uses: service.restart
        with: {unit: "{{ params.service }}"}
        sudo: true
        activates: [restore]
        verify: {stable_for: 10s}
      - id: answers
        uses: http
        with: {url: "http://{{ host.address }}/health", status: "{{ steps.decide.port }}"}
        until: {every: 2s, within: 3m, for: 20s}
        expect: status == 200 and json.ok
    on_failure: goto:decide2
  - id: decide
    ask: {port: {type: int, default: 200}}
  - id: decide2
    choose:
      question: Drop the cache too?
      options: [{id: drop, title: Drop it}, {id: keep, title: Keep it, goto: end}]
  - id: drop-cache
    on: app
    when: steps.decide2.choice == "drop"
    command: [rm, -rf, "/var/cache/{{ params.service }}", 0o17]
    env: {PASS: "{{ params.db_pass }}", N: 5}
    effect: destructive
    timeout: 30s
    retry: {limit: 2, delay: 1s, on: [connect, exit:75]}
    verify: [{command: [test, "!", -e, "/var/cache/{{ params.service }}"]}]
    undo: [{command: [touch, "{{ steps.drop-cache.before }}"]}]
    capture: {before: stdout}
  - id: pause
    wait: 5s
  - id: tell
    notify: Done with {{ params.service }}
"""


def whole() -> str:
    # `decide` comes behind its use on purpose in one test only; here it stands in front.
    head, _, rest = WHOLE.partition("  - stage: roll-back")
    ask = "  - id: decide\n    ask: {port: {type: int, default: 200}}\n"
    return head + ask + "  - stage: roll-back" + rest.replace(ask, "")


def test_a_good_playbook_becomes_a_frozen_value(shelf: Catalogue, write: Write) -> None:
    path = write("config-rollback.yaml", whole())
    loaded = load_playbook(path, shelf)
    stage = loaded.playbook.steps[3]
    drop = loaded.playbook.steps[5]
    assert isinstance(stage, Stage)
    assert isinstance(drop, Step)
    assert [step.id for step in stage.steps] == ["restore", "restart", "answers"]
    assert drop.command == ("rm", "-rf", "/var/cache/{{ params.service }}", "0o17")
    assert drop.env["N"] == "5"
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (loaded.path, loaded.text) == (str(path), path.read_text())


def test_text_is_kept_as_written_inside_of_with_and_default(shelf: Catalogue, write: Write) -> None:
    loaded = load_playbook(write("config-rollback.yaml", whole()), shelf)
    compare = loaded.playbook.steps[1]
    assert isinstance(compare, Step)
    assert compare.with_["ref"] == "1.10"
    assert loaded.playbook.params["version"].default == "1.10"


def test_values_of_later_steps_are_not_known(shelf: Catalogue) -> None:
    (found,) = diagnose(WHOLE, shelf)
    line = WHOLE.splitlines()[found.line - 1]
    assert line[found.column - 1 :].startswith("steps.decide.port")
    assert found.sentence() == "step decide does not come before this one; only values of earlier steps are known"


def test_faults_of_all_kinds_come_in_one_go_in_the_order_of_the_file(faults: Faults) -> None:
    found = faults(
        "severity: sev9\n"
        "steps:\n"
        "  - id: a\n"
        "    comand: [ls]\n"
        "  - id: b\n"
        "    command: [ls, '{{ params.x }}']\n"
        "    timeout: 30\n"
    )
    assert found == [
        '4:11 severity is "sev9"; expected one of sev1, sev2, sev3, sev4; did you mean sev4?',
        f'7:5 unknown key "comand"; expected one of {", ".join(keys_of(Step))}; did you mean command?',
        "9:23 unknown name params.x",
        "10:14 timeout is 30; expected a duration such as 30s or 2m; 30 what? Write 30s or 30m",
    ]


STEP_FAULTS = {
    "no kind": ("- {id: a}", "4:9 the step has nothing to do; expected exactly one of uses, command, shell, manual"),
    "two kinds": ("- {id: a, wait: 1s, manual: x}", "manual and wait stand together; expected one of them per step"),
    "no effect": ("- {id: a, command: [ls]}", "a command must say what it does; expected effect: read, change or"),
    "no verify": (
        "- {id: a, command: [ls], effect: change, undo: {none: because}}",
        "nothing checks what command changed; expected verify: a list of probes",
    ),
    "no check without a reason": (
        "- {id: a, command: [ls], effect: change, verify: {none: ''}, undo: {none: because}}",
        "none wants a reason; expected why nothing can or need be checked",
    ),
    "no check for what has one": (
        "- {id: a, uses: git.restore, with: {repo: /r, path: p, ref: r}, verify: {none: because}}",
        "git.restore has a check of its own; leave verify out",
    ),
    "no undo": (
        "- {id: a, shell: ls, effect: change, verify: [{command: [ls]}]}",
        "shell knows no way back; expected undo: a list of steps; or say why",
    ),
    "undo without its list": (
        "- {id: a, shell: ls, effect: change, verify: [{command: [ls]}], undo: {command: [ls]}}",
        "undo is one step without a list; expected a list of steps; write the step as an item of a list: undo: [{com",
    ),
    "verify without its list": (
        "- {id: a, shell: ls, effect: change, verify: {shell: ls}, undo: [{command: [ls]}]}",
        "verify is one probe without a list; expected a list of probes; write the probe as an item of a list: verify",
    ),
    "guest without undo": (
        "- {id: a, uses: acme.half, with: {unit: x}, verify: [{command: [ls]}]}",
        "acme.half knows no way back",
    ),
    "undo of a read": (
        "- {id: a, command: [ls], effect: read, undo: [{command: [ls]}]}",
        "undo does not go with a step that changes nothing",
    ),
    "until of a change": (
        "- {id: a, uses: git.restore, with: {repo: /r, path: p, ref: r}, until: {every: 1s}}",
        "until does not go with a step that changes its target; write it in a probe of verify",
    ),
    "unknown action": (
        "- {id: a, uses: git.dif, with: {}}",
        "there is no action or probe git.dif; did you mean git.diff?",
    ),
    "action of another catalogue": (
        "- {id: a, uses: metric.query, with: {}}",
        "there is no action or probe metric.query",
    ),
    "unknown argument": (
        "- {id: a, uses: http, with: {url: http://x, statsu: 1}}",
        'unknown key "statsu"; expected one of url, headers, status, method; did you mean status?',
    ),
    "missing argument": ("- {id: a, uses: http}", "url is missing; expected text"),
    "wrong argument": (
        "- {id: a, uses: http, with: {url: http://x, status: ok}}",
        'status is "ok"; expected a whole number',
    ),
    "wrong word": (
        "- {id: a, uses: http, with: {url: http://x, method: GTE}}",
        'method is "GTE"; expected one of GET, HEAD',
    ),
    "no address": ("- {id: a, uses: http, with: {url: localhost}}", 'url is "localhost"; write http://… or https://…'),
    "sudo of a probe": ("- {id: a, uses: http, with: {url: http://x}, sudo: true}", "sudo does not go with http"),
    "argument twice": (
        "- {id: a, uses: service.restart, with: {unit: x, sudo: true}, sudo: true}",
        "sudo stands twice, here and in with",
    ),
    "with of a command": ("- {id: a, command: [ls], effect: read, with: {x: 1}}", "with goes with uses"),
    "wrong check option": (
        "- {id: a, uses: service.restart, with: {unit: x}, verify: {stable: 1s}}",
        'unknown key "stable"; expected stable_for; did you mean stable_for?',
    ),
    "check without options": (
        "- {id: a, uses: git.restore, with: {repo: /r, path: p, ref: r}, verify: {stable_for: 1s}}",
        "git.restore has no check with options; expected a list of probes",
    ),
    "change as a check": (
        "- {id: a, uses: http, with: {url: http://x}, verify: [{uses: service.restart, with: {unit: x}}]}",
        "service.restart changes its target; expected a probe; verify only reads",
    ),
    "template in a script": (
        "- {id: a, shell: 'echo {{ params.x }}', effect: read}",
        "4:30 a shell script takes no templates; pass it by env: ",
    ),
    "template in a long script": (
        "- {id: a, uses: shell, with: {script: 'echo {{ 1 }}'}, effect: read}",
        "a shell script takes no templates",
    ),
    "effect of a read": ("- {id: a, uses: http, with: {url: http://x}, effect: change}", "http is read, not change"),
    "effect made smaller": (
        "- {id: a, uses: git.restore, with: {repo: /r, path: p, ref: r}, effect: read}",
        "git.restore is change, not read; expected change; leave effect out",
    ),
    "key of another kind": ("- {id: a, manual: do it, timeout: 3s}", "timeout does not go with manual"),
    "goto nowhere": ("- {id: a, wait: 1s, on_failure: goto:b}", "there is no step b; expected a later step or end"),
    "goto itself": ("- {id: a, wait: 1s, on_failure: goto:a}", "a does not come later"),
    "unknown failure word": (
        "- {id: a, wait: 1s, on_failure: stp}",
        "on_failure is stp; expected one of ask, stop, undo",
    ),
    "activates nothing": (
        "- {id: a, uses: service.restart, with: {unit: x}, activates: [b]}",
        "there is no step b; expected an earlier step",
    ),
    "peer approval": ("- {id: a, command: [ls], effect: read, approve: peer}", "this needs signed approvals"),
    "two approvals": ("- {id: a, command: [ls], effect: read, approve: {required: 2}}", "this needs signed approvals"),
    "unknown target": ("- {id: a, wait: 1s, on: app}", "there are no targets, so no app"),
    "reserved id": ("- {id: end, wait: 1s}", "end means the end of the playbook; expected another id"),
    "retry on what": (
        "- {id: a, command: [ls], effect: read, retry: {on: [conect]}}",
        "conect is nothing to retry on; expected one of connect, timeout, exit:N; did you mean connect?",
    ),
    "bad redaction": ("- {id: a, command: [ls], effect: read, redact: ['(']}", "this is no regular expression"),
    "every after within": (
        "- {id: a, uses: http, with: {url: http://x}, until: {every: 5m, within: 1m}}",
        "every is longer than within",
    ),
    "no time": ("- {id: a, command: [ls], effect: read, timeout: 0s}", "timeout is not positive"),
    "negative wait": ("- {id: a, wait: -5s}", "wait is not positive"),
    "empty command": ("- {id: a, command: [], effect: read}", "there is no program to run"),
    "expression in braces": (
        "- {id: a, wait: 1s, when: '{{ params.x }}'}",
        "4:34 this is an expression already; write it without {{ }}",
    ),
    "broken expression": ("- {id: a, wait: 1s, when: 'run.id =='}", '"run.id ==": '),
    "broken template": (
        "- {id: a, command: ['{{ x'], effect: read}",
        "{{ is opened and never closed; close it with }}",
    ),
    "unknown host word": (
        "- {id: a, command: ['{{ host.nam }}'], effect: read}",
        "4:31 unknown name host.nam; did you mean host.name?",
    ),
    "step value in a title": (
        "- {id: a, title: 'x {{ host.name }}', wait: 1s}",
        "host.name is not known here; only params are",
    ),
    "value outside of expect": (
        "- {id: a, wait: 1s, when: value > 3}",
        "value is not known here; it belongs into expect",
    ),
    "unknown result": (
        "- {id: a, uses: git.diff, with: {repo: /r, path: p, ref: r}, capture: {x: result.chnged}}",
        "unknown name result.chnged; did you mean result.changed?",
    ),
    "bad variable": ("- {id: a, command: [ls], env: {A=B: x}, effect: read}", '"A=B" cannot be the name of a variable'),
    "include in a stage": (
        "- {stage: s, steps: [{id: a, playbook: {id: ../x}}]}",
        "a stage cannot include a playbook",
    ),
    "form without fields": ("- {id: a, ask: {}}", "the form has no fields"),
    "bad field": ("- {id: a, ask: {x: {type: choice}}}", "a choice needs choices"),
    "step is text": ("- just text", 'entry 1 is "just text"; expected a mapping with id'),
    "unknown include": ("- {id: a, playbook: gone}", 'there is no playbook "gone"; expected the file gone.yaml'),
}


@pytest.mark.parametrize("name", STEP_FAULTS)
def test_a_wrong_step_is_told_once(name: str, faults: Faults) -> None:
    step, said = STEP_FAULTS[name]
    (found,) = faults(f"steps: [{step.removeprefix('- ')}]\n")
    assert said in found


TOP_FAULTS = {
    "old schema": ("schema: runbook/v2\nid: p\ntitle: T\n", "1:9 schema is", "expected runbook/v1"),
    "no date": (HEAD + "reviewed: 2026-02-30\n", '4:11 "2026-02-30" is no date', "a day such as 2026-11-01"),
    "future": (HEAD + "reviewed: 2999-01-01\n", "4:11 2999-01-01 is in the future", ""),
    "guards": (
        HEAD + "guards: [{id: g, uses: metric.query, fail_when: value > 1}]\n",
        "4:24 there is no action or probe metric.query",
        "",
    ),
    "baseline": (
        HEAD + "baseline: [{id: b, uses: metric.query}]\n",
        "4:26 there is no action or probe metric.query",
        "",
    ),
    "default": (
        HEAD + "params: {r: {type: git_ref, default: a..b}}\n",
        '4:38 the default of r is "a..b"; write a tag, a branch or a commit id',
        "",
    ),
    "dash": (HEAD + "params: {r: {default: -rf}}\n", 'the default of r is "-rf"; a leading - would be an option', ""),
    "contradiction": (HEAD + "params: {r: {required: true, default: x}}\n", "a required parameter has no default", ""),
    "secret": (HEAD + "params: {r: {type: secret, default: x}}\n", "4:28 a secret has no default", ""),
    "source": (HEAD + "params: {r: {type: secret, from: hunter2}}\n", "the source of r is not known", "env:NAME"),
    "pattern": (HEAD + "params: {r: {pattern: '('}}\n", "the pattern", ""),
    "range": (HEAD + "params: {r: {type: int, min: 5, max: 2}}\n", "min is larger than max", ""),
    "pick": (HEAD + "targets: {a: {hosts: all, pick: one, min: 2}}\n", "pick: one takes a single host", ""),
    "two lines": ("schema: runbook/v1\nid: p\ntitle: |\n  a\n  b\n", "3:8 title has more than one line", ""),
    "goto": (HEAD + "defaults: {on_failure: goto:x}\n", "on_failure is goto:x", "one of ask, stop, undo, continue"),
}


@pytest.mark.parametrize("name", TOP_FAULTS)
def test_a_wrong_head_is_told_once(name: str, faults: Faults) -> None:
    head, said, expected = TOP_FAULTS[name]
    (found,) = faults("steps: [{id: a, wait: 1s}]\n", head)
    assert said in found
    assert expected in found


def test_secrets_stay_out_of_argv_titles_and_conditions(faults: Faults) -> None:
    found = faults(
        "params: {pw: {type: secret, from: ask}}\n"
        "steps:\n"
        "  - {id: a, command: [x, '{{ params.pw }}'], effect: read}\n"
        "  - {id: b, title: 'x {{ params.pw }}', wait: 1s}\n"
        "  - {id: c, when: params.pw == 'x', wait: 1s}\n"
        "  - {id: d, command: [x], stdin: '{{ params.pw }}', env: {A: 'Bearer {{ params.pw }}'}, effect: read}\n"
        "  - {id: e, uses: http, with: {url: 'http://x/{{ params.pw }}', headers: {A: '{{ params.pw }}'}}}\n"
        "  - {id: f, uses: command, with: {argv: ['{{ params.pw }}']}, effect: read}\n"
    )
    assert [each.split("; ")[0] for each in found] == [
        "6:30 the secret pw would stand in argv, where every process list shows it",
        "7:26 the secret pw would stand in a title",
        "8:19 the secret pw would stand in an expression",
        "9:73 the secret pw must stand alone",
        "10:50 the secret pw would stand in the argument url",
        "11:46 the secret pw would stand in the argument argv",
    ]


def test_ids_are_unique_and_the_first_one_is_named(faults: Faults) -> None:
    found = faults("steps:\n  - {id: a, wait: 1s}\n  - stage: a\n    steps: [{id: b, wait: 1s}, {id: b, wait: 1s}]\n")
    assert found == [
        "6:12 a is taken, line 5 has it; expected an id of its own",
        "7:37 b is taken, line 7 has it; expected an id of its own",
    ]


def test_a_playbook_never_goes_into_a_stage_or_back(faults: Faults) -> None:
    found = faults(
        "steps:\n"
        "  - {id: a, wait: 1s, on_failure: 'goto:inner'}\n"
        "  - stage: s\n"
        "    on_failure: goto:a\n"
        "    steps:\n"
        "      - {id: inner, wait: 1s, on_failure: goto:inner2}\n"
        "      - {id: inner2, wait: 1s, on_failure: goto:end}\n"
    )
    assert found == [
        "5:35 inner stands inside the stage s; expected the stage s",
        "7:17 a does not come later; expected a later step or end; a playbook never goes back",
    ]


def test_with_more_than_one_target_group_everything_says_where_it_runs(faults: Faults) -> None:
    found = faults(
        "targets: {app: {hosts: all}, db: {hosts: all}}\n"
        "steps:\n"
        "  - {id: a, command: [ls], effect: read}\n"
        "  - {id: b, on: dbb, command: [ls], effect: read}\n"
        "  - {stage: s, on: app, steps: [{id: c, command: [ls], effect: read}]}\n"
        "  - {stage: t, steps: [{id: d, command: [ls], effect: read}]}\n"
    )
    assert found == [
        "6:5 a does not say where it runs; expected on: one of app, db",
        "7:17 dbb is not among the targets; expected one of app, db; did you mean db?",
        "9:5 t does not say where it runs; expected on: one of app, db",
    ]


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        ("waves: [1, 10%, 5%]", "5% is not more than the wave before; sizes are cumulative"),
        ("waves: [0]", "0 is no host at all"),
        ("waves: [200%]", "200% is more than all of them"),
        ("waves: [few]", "'few' is no share"),
        ("waves: []", "there are no waves"),
        ("max_unavailable: x", "'x' is no share"),
        ("pause: -3s", "pause is negative"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_told(rollout: str, said: str, faults: Faults) -> None:
    (found,) = faults(f"steps: [{{stage: s, rollout: {{{rollout}}}, steps: [{{id: a, wait: 1s}}]}}]\n")
    assert said in found


def test_an_own_capture_is_known_to_the_way_back_alone(faults: Faults) -> None:
    body = (
        "steps:\n  - id: a\n    command: [x{}]\n    effect: change\n    capture: {{old: stdout}}\n"
        "    verify: [{{command: [y]}}]\n    undo: [{{command: [z, '{{{{ steps.a.old }}}}']}}]\n"
    )
    assert faults(body.format("")) == []
    (found,) = faults(body.format(", '{{ steps.a.old }}'"))
    assert found.endswith("step a does not come before this one; only values of earlier steps are known")


def test_a_step_without_captures_says_so(faults: Faults) -> None:
    (found,) = faults("steps:\n  - {id: a, wait: 1s}\n  - {id: b, when: steps.a.x, wait: 1s}\n")
    assert found == "6:19 step a captures nothing; write capture: {x: …} there"


def test_the_id_is_the_name_of_the_file(shelf: Catalogue, write: Write) -> None:
    path = write("other.yaml", HEAD + "steps: [{id: a, wait: 1s}]\n")
    (found,) = diagnose(path, shelf)
    assert (
        found.text() == f"{path}:2:5: error: the id is p, the file is called other; expected the same word; rename one"
    )


@pytest.mark.parametrize(
    ("text", "said"), [("", "the file is empty"), ("- a\n", "a playbook is a mapping, this is a list")]
)
def test_what_is_no_mapping_is_told_as_such(text: str, said: str, shelf: Catalogue) -> None:
    (found,) = diagnose(text, shelf)
    assert found.message == said


def test_the_error_shows_the_first_fault_and_how_many_more(shelf: Catalogue) -> None:
    with pytest.raises(PlaybookFaults) as caught:
        load_playbook(Source("schema: runbook/v1\nid: p\nsteps: 3\n", "p.yaml"), shelf)
    assert isinstance(caught.value, PlaybookError)
    assert str(caught.value) == "p.yaml:1:1: title is missing; expected text; 1 more fault: runbook validate shows all"
    assert len(caught.value.diagnostics) == 2


def test_an_included_playbook_is_loaded_and_its_faults_have_its_name(shelf: Catalogue, write: Write) -> None:
    inner = write(
        "inner.yaml",
        HEAD.replace("id: p", "id: inner") + "params: {n: {type: int, required: true}}\nsteps: [{id: a, wait: 1s}]\n",
    )
    outer = write("p.yaml", HEAD + "steps: [{id: x, playbook: {id: inner, params: {n: 3}}}]\n")
    loaded = load_playbook(outer, shelf)
    assert loaded.includes["inner"].playbook.id == "inner"
    write("inner.yaml", inner.read_text().replace("1s", "1"))
    (found,) = diagnose(outer, shelf)
    assert (found.file, found.line) == (str(inner), 5)


def test_values_for_an_include_are_checked_against_its_parameters(shelf: Catalogue, write: Write) -> None:
    params = "params: {n: {type: int, required: true}, m: {type: string}}\n"
    write("inner.yaml", HEAD.replace("id: p", "id: inner") + params + "steps: [{id: a, wait: 1s}]\n")
    outer = write(
        "p.yaml",
        HEAD + "steps:\n  - {id: x, playbook: inner}\n  - {id: y, playbook: {id: inner, params: {n: z, k: 1}}}\n"
        "  - {id: z, playbook: {id: inner, params: {n: '{{ params.gone }}', m: 1.10}}}\n",
    )
    assert [each.sentence() for each in diagnose(outer, shelf)] == [
        "inner needs a value for n; expected params: {n: …}",
        'n is "z"; write a whole number',
        "inner has no parameter k",
        "unknown name params.gone",
    ]


def test_playbooks_that_include_each_other_are_refused(shelf: Catalogue, write: Write) -> None:
    first = write("p.yaml", HEAD + "steps: [{id: x, playbook: q}]\n")
    write("q.yaml", HEAD.replace("id: p", "id: q") + "steps: [{id: x, playbook: p}]\n")
    (found,) = diagnose(first, shelf)
    assert found.message == "p includes itself"


def test_a_broken_guest_is_a_fault_of_the_step_that_uses_it(shelf: Catalogue) -> None:
    from runbook.errors import ActionError

    class Broken:
        names, action, probe = shelf.names, shelf.action, shelf.probe

        def info(self, name: str) -> None:
            raise ActionError(f"{name} has no class", remedy="update acme")

    (found,) = diagnose(HEAD + "steps: [{id: a, uses: acme.drain, with: {n: 1}}]\n", Broken())
    assert found.sentence() == "acme.drain cannot be used: acme.drain has no class; update acme"


def test_faults_repeat_no_terminal_control(faults: Faults) -> None:
    (found,) = faults('steps: [{id: a, uses: "x\\e[31m\\ny", with: {}}]\n')
    assert found.isprintable()


CHILD = """
import sys
from runbook.loader import diagnose, skeleton
from runbook.actions import catalogue
assert diagnose(skeleton("p"), catalogue()) == []
print([name for name in ("jinja2", "httpx", "git", "textual", "click", "difflib") if name in sys.modules])
"""


def test_a_playbook_of_plain_names_is_checked_without_heavy_imports() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_a_file_with_very_many_faults_is_not_read_to_its_end(faults: Faults) -> None:
    found = faults("".join(f"key{number}: x\n" for number in range(20_000)))
    assert len(found) == MAX_FAULTS + 1
    assert any("more than 200 faults; the rest is not told; mend these first" in each for each in found)
