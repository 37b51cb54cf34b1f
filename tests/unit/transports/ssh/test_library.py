"""The loading of paramiko."""

from __future__ import annotations

import subprocess
import sys


def test_paramiko_is_loaded_without_what_is_not_used() -> None:
    look = (
        "import sys; from runbook.transports.ssh.library import load; assert 'paramiko' not in sys.modules; load(); "
        "load(); import paramiko; paramiko.Transport; print('invoke' in sys.modules); "
        "import invoke; print(invoke.__name__)"
    )

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "invoke"]
