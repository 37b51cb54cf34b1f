"""The real shop: up, broken by a commit, healed by hand, and gone without a trace."""

import http.client
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from runbook.demo import tree
from runbook.demo.dashboard import look
from runbook.demo.incident import find_incident
from runbook.demo.layout import ORDER, SHOP_MARK
from runbook.demo.number import is_broken, is_healthy
from runbook.demo.repository import BAD_CONNECTIONS, GOOD_CONNECTIONS
from runbook.demo.shop import DATABASE_LIMIT, Shop, find_kept, find_running, open_shop, stop_kept
from runbook.errors import RunbookError, UsageError
from tests.demo.conftest import crew, until

OPENER = """
import sys, time
from pathlib import Path
from runbook.demo.shop import open_shop
with open_shop(Path(sys.argv[1])) as shop:
    shop.start()
    print(shop._state.token, flush=True)
    time.sleep(600)
"""


def health(shop: Shop) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", shop.ports.order, timeout=5)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


def processes(shop: Shop) -> list[psutil.Process]:
    return tree.members((SHOP_MARK, shop._state.token))


def test_the_bad_commit_breaks_the_shop_and_the_good_file_heals_it(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop") as shop:
        before = shop.start()
        assert shop.healthy(before)
        seen = {panel.name: panel.state for panel in look(find_running(shop.folder).ports, time.time()).panels}
        assert [name for name, state in seen.items() if state != "good"] == ["labels"]
        assert (before.pool_open, before.pool_max) == (GOOD_CONNECTIONS, GOOD_CONNECTIONS)
        assert health(shop) == 200

        incident = find_incident("config-rollback")
        incident.break_it(shop)
        # A service that drowns may not answer at once about itself; then its numbers are unknown.
        broken = shop.wait(lambda n: is_broken(n) and n.pool_open is not None, "broken and known", within=60)
        assert (broken.failure_rate or 0.0) > 0.8
        assert (broken.pool_open, broken.pool_max) == (DATABASE_LIMIT, BAD_CONNECTIONS)
        assert (broken.p99_ms or 0.0) > 1000
        assert incident.healthy(broken) is False
        assert health(shop) == 503

        known = shop.parameters()
        subprocess.run(
            ["git", "-C", known["repo"], "checkout", "-q", known["good_ref"], "--", known["file"]], check=True
        )
        assert health(shop) == 503
        subprocess.run([known["control"], "restart", known["service"]], check=True)
        after = shop.wait(is_healthy, "healthy", within=60)

        assert incident.healthy(after)
        assert after.pool_max == GOOD_CONNECTIONS
        assert health(shop) == 200
    assert (processes(shop), (tmp_path / "shop").exists()) == ([], False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_opener_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "shop"
    with subprocess.Popen([sys.executable, "-c", OPENER, str(folder)], stdout=subprocess.PIPE, text=True) as opener:
        assert opener.stdout is not None
        token = opener.stdout.readline().strip()
        assert len(tree.members((SHOP_MARK, token))) == crew(folder)
        opener.send_signal(number)
    until(lambda: tree.members((SHOP_MARK, token)) == [] and not folder.exists())


def test_the_services_notice_that_the_supervisor_was_killed(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop") as shop:
        shop.start()
        assert shop._supervisor is not None
        shop._supervisor.kill()
        until(lambda: processes(shop) == [])
        with pytest.raises(RunbookError, match="supervisor"):
            shop.wait(is_healthy, "healthy", within=20)
    assert not (tmp_path / "shop").exists()


def test_a_kept_shop_stays_up_and_is_found_and_stopped_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        with open_shop(keep=True) as shop:
            shop.start()
            assert find_kept() == ()
            # As if its opener were killed: the pipe between them breaks, and nobody says goodbye.
            shop.detach()
            assert shop._supervisor is not None
            assert shop._supervisor.stdin is not None
            shop._supervisor.stdin.close()
            assert [each.folder for each in find_kept()] == [shop.folder]

        (kept,) = find_kept()
        assert (kept.folder, kept.is_alive) == (shop.folder, True)
        assert "ActiveState=active" in shop.control("show", ORDER)
        shop.wait(is_healthy, "healthy", within=20)

        stop_kept(kept.folder)
        assert (processes(shop), find_kept(), shop.folder.exists()) == ([], (), False)
    finally:
        for left in find_kept():
            stop_kept(left.folder)


def test_a_shop_lies_in_a_folder_of_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_shop() as shop:
        assert stat.S_IMODE(shop.folder.stat().st_mode) == 0o700
        assert find_kept()[0].is_alive is False
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        open_shop(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_shop_that_cannot_start_says_what_its_logs_say(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop") as shop:
        shop.layout.config_file.write_text("pool: {}\n")
        shop.layout.unit("load").unlink()
        with pytest.raises(RunbookError, match="order-service cannot use"):
            _start_briefly(shop)


def _start_briefly(shop: Shop) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runbook.demo.shop._START_WITHIN", 5.0)
        shop.start()
