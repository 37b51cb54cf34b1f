"""Host keys: known, unknown, changed, revoked, by plain, hashed and wildcard names."""

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from runbook.errors import HostKeyError
from runbook.transports.ssh.hostkeys import (
    UnknownHostKey,
    check,
    fingerprint,
    hashed,
    known_keys,
    preferred,
    remember,
)
from runbook.transports.ssh.settings import SshSettings

BLOB = b"\0\0\0\x0bssh-ed25519 the key"
OTHER = b"\0\0\0\x0bssh-ed25519 another"
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()}"
OTHER_KEY = f"ssh-ed25519 {base64.b64encode(OTHER).decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def of(file: Path, address: str = "shop-1.example", port: int = 22, **more: object) -> SshSettings:
    plain = SshSettings(name=address, address=address, port=port, user="ops", known_hosts=(str(file),))
    return replace(plain, **more)


def accepted(file: Path, settings: SshSettings, blob: bytes = BLOB) -> bool:
    try:
        check(settings, "ssh-ed25519", blob, known_keys(settings))
    except UnknownHostKey:
        return False
    return True


@pytest.mark.parametrize(
    ("names", "address", "port", "fits"),
    [
        ("shop-1.example", "shop-1.example", 22, True),
        ("SHOP-1.example", "Shop-1.Example", 22, True),
        ("other,shop-1.example", "shop-1.example", 22, True),
        ("*.example", "shop-1.example", 22, True),
        ("shop-?.example", "shop-1.example", 22, True),
        ("*.example,!shop-1.example", "shop-1.example", 22, False),
        ("!shop-2.example,*.example", "shop-1.example", 22, True),
        ("shop-1.example", "shop-1.example", 2222, False),
        ("[shop-1.example]:2222", "shop-1.example", 2222, True),
        ("[*.example]:2222", "shop-1.example", 2222, True),
        ("[shop-1.example]:2222", "shop-1.example", 22, False),
        pytest.param(hashed("shop-1.example"), "shop-1.example", 22, True, id="hashed"),
        pytest.param(hashed("[shop-1.example]:2222"), "shop-1.example", 2222, True, id="hashed with a port"),
        pytest.param(hashed("shop-2.example"), "shop-1.example", 22, False, id="hashed of another"),
        ("shop-[1].example", "shop-1.example", 22, False),
        ("10.0.0.*", "10.0.0.7", 22, True),
        ("2001:db8::1", "2001:DB8::1", 22, True),
    ],
)
def test_a_line_means_the_hosts_that_its_names_fit(file: Path, names: str, address: str, port: int, fits: bool) -> None:
    file.write_text(f"# a comment\n\n{names} {KEY} olga@desk\n")

    assert accepted(file, of(file, address, port)) == fits


@pytest.mark.parametrize("name", ["shop-1.example", "[shop-1.example]:2222"])
def test_what_openssh_has_hashed_is_found(file: Path, name: str) -> None:
    file.write_text(f"{name} {KEY}\n")
    subprocess.run(("ssh-keygen", "-q", "-H", "-f", str(file)), check=True, capture_output=True)
    assert "shop-1" not in file.read_text()

    assert accepted(file, of(file, port=2222 if "2222" in name else 22))


def test_an_unknown_key_is_refused_with_its_fingerprint_and_the_remedy(file: Path) -> None:
    with pytest.raises(UnknownHostKey) as caught:
        check(of(file, port=2222), "ssh-ed25519", BLOB, ())

    assert fingerprint(BLOB) in str(caught.value)
    assert "ssh-keyscan -p 2222 shop-1.example >>" in caught.value.remedy
    assert caught.value.where == "ops@shop-1.example:2222"


@pytest.mark.parametrize(
    ("hops", "begin"),
    [
        (("bastion",), "ssh bastion "),
        (("10.0.0.1",), "ssh ops@10.0.0.1 "),
        (("bastion", "10.0.0.1"), "ssh -J bastion ops@10.0.0.1 "),
    ],
)
def test_the_remedy_for_a_host_behind_others_goes_through_them(file: Path, hops: tuple[str, ...], begin: str) -> None:
    way = tuple(of(file, "10.0.0.1", name=hop) for hop in hops)

    with pytest.raises(UnknownHostKey) as caught:
        check(of(file), "ssh-ed25519", BLOB, (), way)

    assert f"then: {begin}ssh-keyscan shop-1.example >> {file}" in caught.value.remedy


def test_a_hop_with_a_port_of_its_own_is_written_as_an_address(file: Path) -> None:
    with pytest.raises(UnknownHostKey) as caught:
        check(of(file), "ssh-ed25519", BLOB, (), (of(file, "10.0.0.1", 2222),))

    assert "then: ssh ssh://ops@10.0.0.1:2222 ssh-keyscan" in caught.value.remedy


def test_a_changed_key_is_refused_with_both_fingerprints(file: Path) -> None:
    file.write_text(f"shop-1.example {OTHER_KEY}\n")

    with pytest.raises(HostKeyError) as caught:
        check(of(file), "ssh-ed25519", BLOB, known_keys(of(file)))

    assert not isinstance(caught.value, UnknownHostKey)
    assert "has changed" in str(caught.value)
    assert fingerprint(BLOB) in str(caught.value)
    assert f"{fingerprint(OTHER)} ({file}:1)" in str(caught.value)


def test_one_of_several_known_keys_is_enough(file: Path) -> None:
    file.write_text(f"shop-1.example {OTHER_KEY}\nshop-1.example {KEY}\n")

    assert accepted(file, of(file))


@pytest.mark.parametrize(
    "line",
    ["@revoked shop-1.example", "@revoked *", pytest.param(f"@revoked {hashed('shop-1.example')}", id="hashed")],
)
def test_a_revoked_key_is_refused_even_if_it_is_known(file: Path, line: str) -> None:
    file.write_text(f"shop-1.example {KEY}\n{line} {KEY}\n")

    with pytest.raises(HostKeyError, match="revoked"):
        check(of(file), "ssh-ed25519", BLOB, known_keys(of(file)))


def test_another_revoked_key_does_not_matter(file: Path) -> None:
    file.write_text(f"@revoked * {OTHER_KEY}\nshop-1.example {KEY}\n")

    assert accepted(file, of(file))


def test_a_key_on_the_list_of_revoked_keys_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_text(f"shop-1.example {KEY}\n")
    revoked = tmp_path / "revoked"
    revoked.write_text(f"{KEY} stolen\n")

    with pytest.raises(HostKeyError, match="revoked"):
        check(of(file, revoked=str(revoked)), "ssh-ed25519", BLOB, known_keys(of(file)))
    revoked.write_text(f"{OTHER_KEY} stolen\n")
    assert accepted(file, of(file, revoked=str(revoked)))


def test_a_list_of_revoked_keys_that_cannot_be_read_refuses_all(file: Path, tmp_path: Path) -> None:
    file.write_text(f"shop-1.example {KEY}\n")
    for content in (None, b"SSHKRL\n\0"):
        revoked = tmp_path / "revoked"
        if content is not None:
            revoked.write_bytes(content)
        with pytest.raises(HostKeyError):
            accepted(file, of(file, revoked=str(revoked)))


def test_an_authority_is_told_and_not_trusted(file: Path) -> None:
    file.write_text(f"@cert-authority *.example {OTHER_KEY}\n")

    with pytest.raises(HostKeyError, match="certificate authority"):
        check(of(file), "ssh-ed25519", OTHER, known_keys(of(file)))


def test_an_alias_for_the_key_stands_for_the_address(file: Path) -> None:
    file.write_text(f"shop {KEY}\n")

    assert accepted(file, of(file, port=2222, key_alias="shop"))
    assert not accepted(file, of(file, port=2222))


def test_kinds_of_keys_that_are_known_come_first(file: Path) -> None:
    file.write_text("shop-1.example ssh-rsa AAAA\n")

    order = preferred(("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"), known_keys(of(file)))

    assert order == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")


@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_key_that_was_accepted_is_known_from_then_on(file: Path, is_hashed: bool) -> None:
    file.write_text(f"other {OTHER_KEY}")
    settings = of(file, port=2222, hash_known_hosts=is_hashed)

    assert remember(settings, "ssh-ed25519", BLOB) == str(file)

    assert accepted(file, settings)
    assert ("shop-1" in file.read_text()) != is_hashed
    assert accepted(file, replace(settings, address="other", port=22), OTHER)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200))
def test_what_else_stands_in_the_file_neither_breaks_nor_admits_anything(file: Path, noise: bytes) -> None:
    file.write_bytes(noise.replace(b"\n", b" ") + b"\nshop-1.example " + KEY.encode() + b"\n" + noise)

    assert accepted(file, of(file))
    assert not any(one.blob == OTHER for one in known_keys(of(file)))
