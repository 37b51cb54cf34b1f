"""The hosts themselves: without what is shown here, no test on them would prove anything."""

import errno
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.fleet import Fleet
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.plugin import Take
from tests.lab.proxy import Proxy

pytestmark = pytest.mark.lab

OUTSIDE = "192.0.2.77"


def ssh(lab: Lab, host: str, *argv: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command by the OpenSSH client, with strict host keys."""
    return subprocess.run(
        ["ssh", "-F", str(lab.ssh_config), *options, host, *argv],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def banner(address: str, seconds: float = 10) -> bytes:
    """Return the first line that sshd sends."""
    with socket.create_connection((address, 22), timeout=seconds) as plain:
        return plain.makefile("rb").readline()


@pytest.mark.parametrize(
    ("host", "root", "unified"),
    [("hybrid", "tmpfs", True), ("v1", "tmpfs", False), ("v2", "cgroup2fs", False)],
    indirect=["host"],
)
def test_a_host_runs_a_systemd_of_its_own_on_its_layout_of_control_groups(
    lab: Lab, host: Host, root: str, unified: bool
) -> None:
    assert host.check("systemctl", "is-system-running").strip() == "running"
    assert host.read("/proc/1/comm").strip() == "systemd"
    assert host.check("stat", "-fc", "%T", "/sys/fs/cgroup").strip() == root
    assert (host.run("test", "-e", "/sys/fs/cgroup/unified").exit == 0) == unified
    assert host.run("sh", "-c", "command -v python3 cc").out == ""
    units = ssh(lab, host.name, "sudo", "-n", "systemctl", "is-active", "order-service", "ssh")
    assert units.stdout.split() == ["active", "active"]


def test_deploy_gets_in_where_the_host_key_is_known_and_nowhere_else(
    lab: Lab, take_hosts: Take, tmp_path: Path
) -> None:
    one, other = take_hosts(2)
    assert ssh(lab, one.name, "hostname; id -un").stdout.split() == [one.name, "deploy"]
    assert one.key != other.key
    swapped = tmp_path / "known_hosts"
    swapped.write_text(f"{one.name},{one.address} {other.key}\n")
    refused = ssh(lab, one.name, "true", options=("-o", f"UserKnownHostsFile={swapped}"))
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr


def test_sudo_lets_deploy_do_its_three_commands_only(lab: Lab, host: Host) -> None:
    assert ssh(lab, host.name, "sudo", "-n", "ldconfig", "-p").returncode == 0
    refused = ssh(lab, host.name, "sudo", "-n", "sh", "-c", "true")
    assert refused.returncode == 1
    assert "a password is required" in refused.stderr


def test_sudo_asks_dora_for_her_password(lab: Lab, host: Host) -> None:
    asked = host.run("sudo", "-S", "-p", "", "id", "-un", user="dora", stdin="correct horse\n")
    assert asked.out.strip() == "root"
    assert host.run("sudo", "-n", "id", "-un", user="dora").exit == 1


def test_no_way_leads_out(host: Host) -> None:
    with pytest.raises(OSError, match="unreachable") as raised:
        socket.create_connection((OUTSIDE, 80), timeout=5)
    assert raised.value.errno == errno.ENETUNREACH
    assert "unreachable" in host.run("ip", "route", "get", OUTSIDE).err
    assert "dev hosts" not in Path("/proc/1/net/dev").read_text()


def test_a_reboot_keeps_the_disk_and_a_power_cut_too(host: Host) -> None:
    boots = [host.boot_id]
    host.write("/var/tmp/kept", "on disk")
    host.write("/run/lost", "in memory")
    host.reboot()
    boots.append(host.boot_id)
    host.write("/run/lost", "in memory")
    host.cut_power()
    boots.append(host.boot_id)
    assert len(set(boots)) == 3
    assert host.read("/var/tmp/kept") == "on disk"
    assert host.run("test", "-e", "/run/lost").exit == 1
    assert banner(host.address).startswith(b"SSH-2.0-")


def test_a_frozen_host_takes_a_connection_and_says_nothing(host: Host) -> None:
    with host.frozen(), pytest.raises(TimeoutError):
        banner(host.address, seconds=0.5)
    assert banner(host.address).startswith(b"SSH-2.0-")


def test_an_unplugged_host_takes_no_connection(host: Host) -> None:
    with host.unplugged(), pytest.raises(OSError, match=r"timed out|No route"):
        banner(host.address, seconds=0.5)
    host.wait(lambda: banner(host.address).startswith(b"SSH-2.0-"), "it can be reached again")


def test_a_host_without_sshd_refuses(host: Host) -> None:
    with socket.create_connection((host.address, 22), timeout=5) as open_before:
        assert open_before.recv(4) == b"SSH-"
        host.stop_sshd()
        open_before.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            banner(host.address)
        with suppress(ConnectionResetError), open_before.makefile("rb") as rest:
            rest.read()
    host.start_sshd()
    assert banner(host.address).startswith(b"SSH-2.0-")


def answers(host: Host) -> bool:
    """Tell whether a banner comes soon: of the packets of one connection all the first ones may be lost."""
    try:
        return banner(host.address, seconds=5).startswith(b"SSH-2.0-")
    except TimeoutError:
        return False


def test_packets_are_lost_at_random(host: Host) -> None:
    with host.losing(100), pytest.raises(TimeoutError):
        banner(host.address, seconds=0.5)
    with host.losing(30):
        host.wait(lambda: answers(host), "a banner gets through", 120)


def test_a_full_disk_takes_no_byte_more_but_memory_does(host: Host) -> None:
    write = ('head -c 200000 /dev/zero > "$1"', "sh")
    with host.full():
        full = host.run("sh", "-c", *write, "/home/deploy/more", user="deploy")
        assert "No space left on device" in full.err
        assert host.run("sh", "-c", *write, "/dev/shm/more", user="deploy").exit == 0
        host.cut_power()
        assert host.run("sh", "-c", *write, "/home/deploy/more", user="deploy").exit != 0
    assert host.run("sh", "-c", *write, "/home/deploy/more", user="deploy").exit == 0


def test_a_read_only_disk_takes_nothing(host: Host) -> None:
    with host.read_only():
        assert "Read-only file system" in host.run("touch", "/home/deploy/new", user="deploy").err
    assert host.run("touch", "/home/deploy/new", user="deploy").exit == 0


def test_the_clock_of_one_host_alone_goes_wrong(lab: Lab, take_hosts: Take) -> None:
    wrong, right = take_hosts(2)
    with wrong.clock_off(-3600):
        offsets = [float(ssh(lab, host.name, "date", "+%s").stdout) - time.time() for host in (wrong, right)]
    assert offsets == [pytest.approx(-3600, abs=30), pytest.approx(0, abs=30)]


def test_processes_and_counts_are_read_from_outside(host: Host) -> None:
    counter = host.counter()
    assert counter.value == 0
    for _again in range(3):
        host.check("sh", "-c", counter.script, user="deploy")
    assert counter.value == 3
    (service,) = host.processes(r"^sleep infinity")
    assert host.check("systemctl", "show", "--value", "-p", "MainPID", "order-service").strip() == str(service.pid)


def test_a_proxy_delays_hangs_and_breaks(lab: Lab, host: Host, front: Proxy) -> None:
    through = ("-o", f"HostName={host.proxy_address}")
    assert ssh(lab, host.name, "hostname", options=through).stdout.strip() == host.name
    assert (front.accepted, front.passed["up"] > 1000, front.passed["down"] > 1000) == (1, True, True)

    front.delay = 0.2
    started = time.monotonic()
    assert banner(host.proxy_address).startswith(b"SSH-2.0-")
    assert time.monotonic() - started >= 0.2

    front.delay = 0.0
    front.hang("down")
    with socket.create_connection((host.proxy_address, 22), timeout=5) as plain:
        plain.settimeout(0.3)
        with pytest.raises(TimeoutError):
            plain.recv(1)
        front.flow()
        plain.settimeout(5)
        assert plain.recv(8) == b"SSH-2.0-"
        front.cut()
        with pytest.raises(ConnectionResetError), plain.makefile("rb") as rest:
            rest.read()

    front.cut_after(500, "down")
    broken = ssh(lab, host.name, "true", options=through)
    assert broken.returncode == 255
    assert "connection reset by" in broken.stderr.lower()


def test_a_fleet_has_an_address_and_a_home_for_each_host(lab: Lab, fleet: Fleet) -> None:
    first, second = fleet.addresses[0], fleet.addresses[-1]
    assert len(fleet.named(100)) == 100
    for address in (first, second):
        assert ssh(lab, address, 'echo "$HOME"').stdout.strip() == fleet.home(address)
    with fleet.silent(first):
        with pytest.raises(TimeoutError):
            banner(first, seconds=0.5)
        assert banner(second).startswith(b"SSH-2.0-")


def test_a_host_heals_whatever_was_done_to_it(lab: Lab, take_hosts: Take) -> None:
    (host,) = take_hosts(1)
    host.stop_sshd()
    host.check("systemctl", "stop", "order-service")
    host.check("mount", "-o", "remount,ro", "/")
    host.unplug()
    host.freeze()
    host.heal()
    assert ssh(lab, host.name, "systemctl is-active order-service").stdout.strip() == "active"
    assert host.run("touch", "/home/deploy/new", user="deploy").exit == 0
