"""What every process of the shop does, shown with the shoppers' process, which needs nobody else."""

import subprocess
import sys
import time

import pytest

from runbook.demo.layout import choose_ports
from runbook.demo.metric import Samples, scrape
from runbook.demo.process import Complaint

QUITS = """
from runbook.demo.process import settle_in, say
import time
settle_in()
say("settled")
time.sleep(600)
"""


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_shop_process_ends_when_its_lifeline_does() -> None:
    with started("-c", QUITS) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("Z settled\n")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_shop_process_ends_at_once_when_told_to() -> None:
    with started("-c", QUITS) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0


def test_shoppers_in_front_of_a_closed_shop_count_failures_and_no_success() -> None:
    ports = choose_ports()
    words = ["--port", str(ports.load), "--shop", str(ports.order), "--rate", "50"]
    with started("-m", "runbook.demo.load", *words) as process:
        deadline = time.monotonic() + 10
        samples: Samples = {}
        while "shop_failure_ratio" not in samples:
            assert time.monotonic() < deadline
            samples = scrape(ports.load) or {}
        process.terminate()
    assert samples["shop_failure_ratio"] == 1.0
    assert samples['shop_orders_total{result="ok"}'] == 0


def test_nobody_listening_is_no_data() -> None:
    assert scrape(choose_ports().load) is None


def test_a_repeated_complaint_is_held_back(capsys: pytest.CaptureFixture[str]) -> None:
    complaint = Complaint()
    for _ in range(100):
        complaint.say("refused")
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) < 100
    assert lines[0].endswith("refused")
