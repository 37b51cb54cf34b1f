"""The systemd driver: recorded answers, and a program in the place of `systemctl` that notes how it is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook.actions.capture import Captured
from runbook.actions.service import RunWith, ServiceRestart, ServiceStatus, StatusWith
from runbook.actions.service_choice import choose
from runbook.actions.service_driver import UnitState, is_unit, parse
from runbook.actions.service_systemd import Systemd, read_show
from runbook.errors import ActionError
from runbook.model.host import Host
from runbook.ports.action import Good, NoData, Proceed, Refuse
from runbook.ports.cancel import Cancel
from runbook.ports.target import Finished
from runbook.testing import MemoryWork
from runbook.testing.work import Silent
from runbook.transports.local import LocalTarget, LocalTransport

RUNNING = """\
Type=notify
MainPID=812
NRestarts=0
Result=success
ExecMainStartTimestamp=Sun 2026-11-22 03:01:07 UTC
ExecMainStartTimestampMonotonic=4711000
ExecMainStatus=0
Id=order-service.service
LoadState=loaded
ActiveState=active
SubState=running
NeedDaemonReload=no
InvocationID=4f1b9d1c2f7f4a0d9d7a30a3c5e0c111
"""
LOOPING = """\
Type=simple
MainPID=0
NRestarts=17
Result=exit-code
ExecMainStartTimestampMonotonic=99000000
ExecMainStatus=1
Id=order-service.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
NeedDaemonReload=yes
Job=4242
InvocationID=77779d1c2f7f4a0d9d7a30a3c5e0c222
"""
UNKNOWN = """\
MainPID=0
NRestarts=0
Result=success
Id=oder-service.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""
OLD = """\
Type=simple
MainPID=812
ExecMainStartTimestampMonotonic=4711000
Id=order-service.service
LoadState=loaded
ActiveState=active
SubState=running
"""


def read(text: str) -> UnitState:
    return read_show(parse(Captured(0, text, "", Finished(0, 0.0)), "order-service", "web1"), "order-service")


@pytest.fixture
def target() -> LocalTarget:
    return LocalTransport().target(Host("web1", "local"), Cancel())


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `systemctl` that notes its arguments and answers from files: `show`, and `after` a change."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
printf '%s|' "$LC_ALL" "$@" >> '{tmp_path}/calls'; echo >> '{tmp_path}/calls'
case "$*" in
  *show*) cat '{tmp_path}/show' ;;
  *) [ -e '{tmp_path}/fail' ] && {{ echo 'Access denied' >&2; exit 4; }}; cp '{tmp_path}/after' '{tmp_path}/show' ;;
esac
"""
    )
    program.chmod(0o755)
    (tmp_path / "bin" / "journalctl").write_text("#!/bin/sh\necho 'pool exhausted'\n")
    (tmp_path / "bin" / "journalctl").chmod(0o755)
    (tmp_path / "show").write_text(RUNNING)
    (tmp_path / "after").write_text(RUNNING.replace("=4f1b", "=5f1b").replace("=812", "=913"))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    return tmp_path


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_running_unit_is_read() -> None:
    state = read(RUNNING)

    assert state.is_up
    assert (state.main_pid, state.invocation, state.restarts) == (812, "4f1b9d1c2f7f4a0d9d7a30a3c5e0c111", 0)
    assert state.since == "Sun 2026-11-22 03:01:07 UTC"


def test_a_crash_loop_between_two_starts_is_neither_up_nor_down() -> None:
    state = read(LOOPING)

    assert (state.is_up, state.is_down, state.restarts, state.job, state.stale) == (False, False, 17, 4242, True)
    assert state.line() == (
        "order-service.service: activating (auto-restart), restarted by itself 17 times, "
        "result exit-code, exit status 1"
    )


def test_an_unknown_unit_is_read_as_not_found() -> None:
    assert read(UNKNOWN).load == "not-found"


def test_a_systemd_without_invocations_tells_a_start_by_process_and_time() -> None:
    assert read(OLD).invocation == "812@4711000"


@pytest.mark.parametrize(
    ("active", "sub", "kind", "unit", "up"),
    [
        ("active", "exited", "oneshot", "a.service", True),
        ("active", "exited", "forking", "a.service", False),
        ("active", "listening", "", "a.socket", True),
        ("active", "running", "simple", "a.service", True),
        ("reloading", "reload", "notify", "a.service", False),
        ("deactivating", "stop-sigterm", "simple", "a.service", False),
    ],
)
def test_up_depends_on_the_kind_of_unit(active: str, sub: str, kind: str, unit: str, *, up: bool) -> None:
    assert UnitState(unit, "loaded", active, sub, type=kind).is_up is up


@pytest.mark.parametrize("text", ["", "Failed to connect to bus\n", "ActiveState\n", "LoadState=loaded\n"])
def test_an_answer_without_a_state_is_an_error(text: str) -> None:
    with pytest.raises(ActionError, match="cannot ask for the state of order-service"):
        read(text)


def test_an_error_of_systemctl_is_told_in_its_own_words() -> None:
    got = Captured(1, "", "Failed to connect to bus: No such file or directory\n", Finished(1, 0.0))

    with pytest.raises(ActionError, match="Failed to connect to bus"):
        parse(got, "order-service", "web1")


@pytest.mark.parametrize("name", ["order-service", "order@1.service", "dev-sda\\x2d1.device", "a:b", "_x"])
def test_names_of_units(name: str) -> None:
    assert is_unit(name)


@pytest.mark.parametrize("name", ["", "-.slice", "--all", "a*", "a?", "[a]", "a b", "a/b", "a\n", "a;b", "ü"])
def test_what_is_no_name_of_one_unit(name: str) -> None:
    assert not is_unit(name)


def test_reading_asks_in_the_c_locale_and_changing_is_as_plain_as_typed(systemctl: Path, target: LocalTarget) -> None:
    driver = Systemd("order-service", user=False, sudo=False, timeout=10.0)

    driver.show(target)

    assert calls(systemctl)[0].startswith("C|--no-pager|show|-p|Id,LoadState,")
    assert calls(systemctl)[0].endswith("|--|order-service|")
    assert driver.command("restart").argv == ("systemctl", "restart", "order-service")
    assert driver.typed("restart") == "systemctl restart order-service"


def test_sudo_is_for_changing_and_for_the_journal_only() -> None:
    driver = Systemd("order-service", user=False, sudo=True, timeout=10.0)

    assert (driver.command("stop").sudo, driver.logs(20).sudo) == (True, True)
    assert driver.typed("stop") == "sudo systemctl stop order-service"
    assert driver.logs(20).argv == (
        "journalctl", "-u", "order-service", "-n", "20", "--no-pager", "-o", "cat"
    )  # fmt: skip


def test_the_manager_of_the_user_is_found_without_a_session(
    systemctl: Path, target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    driver = Systemd("order-service", user=True, sudo=False, timeout=10.0)

    assert driver.show(target).is_up
    assert calls(systemctl)[0].startswith("C|--user|--no-pager|show|")
    assert driver.typed("start") == "systemctl --user start order-service"


def test_a_restart_through_systemctl_is_proved_by_the_invocation(systemctl: Path, target: LocalTarget) -> None:
    w, action = RunWith(unit="order-service", driver="systemd"), ServiceRestart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)

    result = action.apply(w, found.before, MemoryWork(target))

    assert (result.was[:4], result.invocation[:4], result.main_pid) == ("4f1b", "5f1b", 913)
    assert [line for line in calls(systemctl) if "show" not in line] == ["de_DE.UTF-8|restart|order-service|"]


def test_a_refused_restart_fails_with_the_words_of_systemctl_and_shows_the_log(
    systemctl: Path, target: LocalTarget
) -> None:
    class Heard(Silent):
        text = b""

        def write(self, stream: str, data: bytes) -> None:
            self.text += data

    (systemctl / "fail").touch()
    w, action, heard = RunWith(unit="order-service", driver="systemd"), ServiceRestart(), Heard()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)

    with pytest.raises(ActionError, match="systemctl restart order-service failed with exit 4: Access denied"):
        action.apply(w, found.before, MemoryWork(target, sink=heard))
    assert b"pool exhausted" in heard.text


@pytest.mark.parametrize(
    ("load", "words"),
    [("masked", "is masked"), ("bad-setting", "cannot be loaded"), ("not-found", "order-service not found on web1")],
)
def test_a_unit_that_cannot_run_is_refused(systemctl: Path, target: LocalTarget, load: str, words: str) -> None:
    (systemctl / "show").write_text(RUNNING.replace("LoadState=loaded", f"LoadState={load}"))

    found = ServiceRestart().inspect(RunWith(unit="order-service", driver="systemd"), target)

    assert isinstance(found, Refuse)
    assert words in found.why


def test_a_changed_unit_file_is_noted(systemctl: Path, target: LocalTarget) -> None:
    (systemctl / "show").write_text(RUNNING.replace("NeedDaemonReload=no", "NeedDaemonReload=yes"))
    w, action = RunWith(unit="order-service", driver="systemd"), ServiceRestart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)

    assert "daemon-reload" in action.plan(w, found.before).notes[0]


def test_a_control_program_is_taken_for_supervised(target: LocalTarget) -> None:
    assert choose(RunWith(unit="a", control="/srv/ctl"), target) == "supervised"


@pytest.mark.parametrize(
    ("w", "words"),
    [
        (RunWith(unit="a", driver="supervised"), "is no absolute path"),
        (RunWith(unit="a", driver="systemd", control="/srv/ctl"), "no control program"),
        (RunWith(unit="a", user=True, sudo=True), "exclude each other"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(w: RunWith, words: str, target: LocalTarget) -> None:
    with pytest.raises(ActionError, match=words):
        choose(w, target)


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs this machine")
def test_without_systemd_and_control_it_is_refused_with_the_remedy(target: LocalTarget) -> None:
    found = ServiceRestart().inspect(RunWith(unit="order-service"), target)

    assert found == Refuse(
        "systemd does not run this host", "say `control: PATH` for a control program of supervised processes"
    )
    assert isinstance(ServiceStatus().observe(StatusWith(unit="order-service"), target, Silent()), NoData)


@pytest.mark.skipif(not Path("/run/systemd/system").exists(), reason="systemd does not run this machine")
def test_a_real_systemd_tells_of_its_journal(target: LocalTarget) -> None:
    assert isinstance(ServiceStatus().observe(StatusWith(unit="systemd-journald"), target, Silent()), Good)
