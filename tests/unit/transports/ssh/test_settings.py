"""How a host is reached: what an inventory says itself, and what `ssh -G` says of the rest."""

import getpass
import shutil
from pathlib import Path

import pytest

from runbook.errors import ConfigError, ConnectError
from runbook.model.host import Host
from runbook.transports.ssh.settings import Resolver, own, read_answer

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh on this machine")

CONFIG = """\
Include {folder}/more
Host shop
  HostName 10.9.8.7
  Port 2222
  User deploy
  IdentityFile {folder}/%r_key
  CertificateFile {folder}/%r_key-cert.pub
  IdentitiesOnly yes
  ProxyJump ops@bastion:2022,inner
  UserKnownHostsFile {folder}/known
  HashKnownHosts yes
  ConnectTimeout 4
  IdentityAgent none
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "more").write_text("Host included\n  HostName 10.1.1.1\n  HostKeyAlias shop-key\n")
    path = tmp_path / "config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def test_a_host_that_says_all_itself_asks_nobody(tmp_path: Path) -> None:
    silent = Resolver(tmp_path / "no such file")

    found = silent.of_host(Host("web1", "ssh", address="10.0.0.1", port=2022, user="ops", key_file="~/keys/k"))

    assert (found.address, found.port, found.user, found.place) == ("10.0.0.1", 2022, "ops", "ops@10.0.0.1:2022")
    assert (found.identity_files, found.identities_only) == ((str(Path.home() / "keys/k"),), True)


def test_its_own_values_are_the_usual_files() -> None:
    found = own("web1")

    assert found.user == getpass.getuser()
    assert str(Path.home() / ".ssh/id_ed25519") in found.identity_files
    assert found.known_hosts[0] == str(Path.home() / ".ssh/known_hosts")


@needs_ssh
def test_an_alias_is_what_ssh_makes_of_it(config: Path, tmp_path: Path) -> None:
    found = Resolver(config).of_host(Host("shop", "ssh"))

    assert (found.address, found.port, found.user) == ("10.9.8.7", 2222, "deploy")
    assert found.identity_files == (f"{tmp_path}/deploy_key",)
    assert found.certificate_files == (f"{tmp_path}/deploy_key-cert.pub",)
    assert found.jumps == ("ops@bastion:2022", "inner")
    assert found.known_hosts[0] == f"{tmp_path}/known"
    assert (found.identities_only, found.hash_known_hosts, found.connect_timeout, found.agent) == (True, True, 4.0, "")


@needs_ssh
def test_included_files_count(config: Path) -> None:
    found = Resolver(config).of_host(Host("included", "ssh"))

    assert (found.address, found.key_name) == ("10.1.1.1", "shop-key")


@needs_ssh
def test_the_inventory_goes_before_the_configuration(config: Path) -> None:
    found = Resolver(config).of_host(Host("shop", "ssh", port=2200, user="root"))

    assert (found.address, found.port, found.user) == ("10.9.8.7", 2200, "root")


@needs_ssh
def test_an_alias_is_asked_for_once(config: Path) -> None:
    resolver = Resolver(config)
    first = resolver.of_alias("shop")
    config.write_text("Host shop\n  HostName 10.0.0.99\n")

    assert resolver.of_alias("shop") is first


@needs_ssh
def test_a_jump_is_resolved_like_any_alias(config: Path) -> None:
    resolver = Resolver(config)

    assert (resolver.of_jump("shop").address, resolver.of_jump("shop").port) == ("10.9.8.7", 2222)
    assert resolver.of_jump("ops@10.0.0.5:2022").place == "ops@10.0.0.5:2022"
    assert resolver.of_jump("ssh://ops@[2001:db8::1]:2022").place == "ops@[2001:db8::1]:2022"


@needs_ssh
def test_a_configuration_that_ssh_refuses_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host shop\n  NoSuchOption yes\n")

    with pytest.raises(ConfigError, match="Bad configuration option"):
        Resolver(path).of_alias("shop")


def test_an_alias_that_looks_like_an_option_is_refused() -> None:
    with pytest.raises(ConnectError):
        Resolver().of_alias("-oProxyCommand=x")


def test_a_proxy_command_is_not_run() -> None:
    with pytest.raises(ConnectError, match="ProxyCommand"):
        read_answer("shop", "hostname x\nproxycommand nc %h %p\n")


def test_without_ssh_the_own_values_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Resolver().of_alias("shop", 2222, "ops").place == "ops@shop:2222"
    with pytest.raises(ConfigError, match="no ssh"):
        Resolver(tmp_path / "config").of_alias("shop")
