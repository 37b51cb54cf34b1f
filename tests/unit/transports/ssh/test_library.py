"""The loading of paramiko."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from runbook.transports.ssh.library import load


def test_paramiko_is_loaded_without_what_is_not_used() -> None:
    look = (
        "import sys; from runbook.transports.ssh.library import load; assert 'paramiko' not in sys.modules; load(); "
        "load(); import paramiko; paramiko.Transport; print('invoke' in sys.modules); "
        "import invoke; print(invoke.__name__)"
    )

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "invoke"]


def test_what_the_library_logs_by_itself_reaches_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    load()

    logging.getLogger("paramiko.transport").error("Exception (client): Indecipherable protocol version \x1b[2J")

    assert capfd.readouterr() == ("", "")
