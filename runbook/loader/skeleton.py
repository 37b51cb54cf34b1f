"""The commented playbook that `runbook new` writes; it validates as it is and changes nothing."""

from __future__ import annotations

import re

from runbook.errors import UsageError
from runbook.model.fault import shown

_ID = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")

_TEXT = """\
# Keys are checked and completed in an editor after: runbook schema > runbook.schema.json
# yaml-language-server: $schema=runbook.schema.json
schema: runbook/v1
id: @ID@                  # the name of this file without .yaml
title: @TITLE@
summary: |
  What has happened, and what this playbook brings back. Markdown.
symptoms: []                # words of the alerts that point here: ["pool exhausted"]
severity: sev3              # sev1 (worst) to sev4
# owner: team@example.com
# reviewed: 2026-01-31      # the day somebody last tried it

params:                     # what the operator may set; checked before anything runs
  file: {type: path, default: /etc/hostname, help: the file to look at}
  # service: {type: unit, required: true, help: the systemd unit to restart}
  # token:   {type: secret, from: "env:TOKEN"}      # reaches commands by env or stdin only

# targets:                  # without targets everything runs on this machine
#   app: {hosts: "group:app", min: 1}

steps:
  - id: announce
    manual: Tell the channel of the incident that you begin.

  - id: look
    title: Look at the file
    guide: |
      Why: to know what is there before anything is changed.
      Stop here if the file is not the one of the alert.
    command: [cat, "{{ params.file }}"]
    effect: read            # read, change or destructive; a command must say it
    capture: {content: "stdout"}

  # A change says how it is checked, and its way back (or why it has none):
  # - id: restart
  #   on: app
  #   command: [systemctl, restart, "{{ params.service }}"]
  #   effect: change
  #   approve: operator
  #   verify: [{command: [systemctl, is-active, "{{ params.service }}"]}]
  #   undo: {none: "a restart cannot be taken back"}
  # - id: close
  #   on: app
  #   command: [mv, /srv/open, /srv/closed]
  #   effect: change
  #   verify: [{command: [test, -e, /srv/closed]}]
  #   undo: [{command: [mv, /srv/closed, /srv/open]}]     # a list of steps
  #   on_failure: ask       # ask, stop, undo, continue or goto:LATER-STEP

  # Many hosts go in waves. An action that Runbook brings has its check and its way back; runbook schema describes all:
  # file.edit, file.restore, git.restore, service.restart, http, tcp, metric.query …
  # - stage: change
  #   on: app
  #   rollout: {waves: [1, 10, 100%], pause: 30s}       # each size counts the hosts of the waves before it
  #   approve: operator
  #   steps:
  #     - id: edit
  #       uses: file.edit
  #       with: {path: "{{ params.file }}", replace: [{match: "pool=5000", with: "pool=50"}]}

  - id: confirm
    when: "steps.look.content != ''"
    manual: Confirm on the dashboards that all is well again.
"""


def skeleton(playbook_id: str) -> str:
    """Return a commented playbook with this id; raises UsageError for what cannot be an id."""
    if not _ID.fullmatch(playbook_id) or len(playbook_id) > 64:
        raise UsageError(
            f"{shown(playbook_id)} cannot be the id of a playbook",
            remedy="write lower-case words joined by - or _, such as drop-cache",
        )
    title = re.sub(r"[_-]", " ", playbook_id).capitalize()
    return _TEXT.replace("@ID@", playbook_id).replace("@TITLE@", f'"{title}"')
