"""What is offered to a host where the ssh configuration of the user names algorithms."""

import pytest

from runbook.transports.ssh.algorithm import CIPHERS, named, offer

USUAL = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
KNOWN = (*CIPHERS, "aes128-cbc", "aes256-cbc", "3des-cbc")


def offered(written: str) -> tuple[str, ...]:
    lists = dict(named({"ciphers": [written]}, {"ciphers": [USUAL]}))
    return offer(CIPHERS, KNOWN, lists["ciphers"]) if lists else CIPHERS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(USUAL, CIPHERS, id="nothing is said"),
        pytest.param(f"{USUAL},aes256-cbc", (*CIPHERS, "aes256-cbc"), id="one is added"),
        pytest.param("aes192-ctr,aes256-gcm@openssh.com", ("aes256-gcm@openssh.com", "aes192-ctr"), id="a part"),
        pytest.param("aes256-ctr,aes128-ctr", ("aes256-ctr", "aes128-ctr"), id="another order"),
        pytest.param("3des-cbc", ("3des-cbc",), id="a weak one alone"),
        pytest.param("chacha20-poly1305@openssh.com", (), id="none that is known"),
    ],
)
def test_a_list_of_the_configuration_narrows_what_is_offered(written: str, expected: tuple[str, ...]) -> None:
    assert offered(written) == expected


def test_a_weak_one_that_ssh_offers_by_itself_is_offered_only_where_nothing_else_is_named() -> None:
    lists = dict(named({"macs": ["hmac-sha2-256,hmac-sha1"]}, {"macs": ["hmac-sha2-256,hmac-sha2-512,hmac-sha1"]}))
    alone = dict(named({"macs": ["hmac-sha1"]}, {"macs": ["hmac-sha2-256,hmac-sha2-512,hmac-sha1"]}))
    known = ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")

    assert offer(known[:2], known, lists["macs"]) == ("hmac-sha2-256",)
    assert offer(known[:2], known, alone["macs"]) == ("hmac-sha1",)
