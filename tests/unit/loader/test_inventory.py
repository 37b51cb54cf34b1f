from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from runbook.errors import InventoryError, NoTargetError
from runbook.loader import diagnose_inventory, load_inventory, match, refuse_transport
from runbook.model.host import Host, Inventory

SHOP = """\
hosts:
  shop-1: {transport: local, vars: {service: own}}
  shop-2: {address: 10.0.0.1, port: 2222, user: ops}
  shop-3:
  rescue: {transport: chroot, root: /mnt/root}
groups:
  order: {hosts: [shop-1, shop-2], vars: {service: order, x: near}}
  late: {hosts: [shop-2], vars: {x: later}}
  shop: {children: [order], hosts: [shop-3], vars: {x: far, y: shop}}
vars: {y: top, z: top}
"""


def names(pattern: str, inventory: Inventory | None = None) -> list[str]:
    return [host.name for host in match(inventory or load_inventory(SHOP), pattern)]


def test_hosts_have_the_variables_of_their_groups_with_their_own_on_top() -> None:
    hosts = {host.name: host for host in load_inventory(SHOP).hosts}
    assert hosts["shop-1"].vars == {"service": "own", "x": "near", "y": "shop", "z": "top"}
    assert hosts["shop-2"].vars == {"service": "order", "x": "later", "y": "shop", "z": "top"}
    assert hosts["shop-3"].vars == {"x": "far", "y": "shop", "z": "top"}
    assert hosts["shop-2"].groups == ("order", "late", "shop")
    assert (hosts["shop-2"].transport, hosts["shop-2"].port) == ("ssh", 2222)
    assert hosts["rescue"].root == "/mnt/root"


def test_this_machine_is_always_there() -> None:
    assert load_inventory(SHOP).hosts[0] == Host("local", "local", vars={"y": "top", "z": "top"})
    assert load_inventory("{}").hosts == (Host("local", "local"),)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("all", ["shop-1", "shop-2", "shop-3", "rescue"]),
        ("local", ["local"]),
        ("shop-2", ["shop-2"]),
        ("group:order", ["shop-1", "shop-2"]),
        ("group:shop", ["shop-1", "shop-2", "shop-3"]),
        ("shop-*", ["shop-1", "shop-2", "shop-3"]),
        ("shop-[13]", ["shop-1", "shop-3"]),
        ("shop-3, group:order", ["shop-3", "shop-1", "shop-2"]),
        ("group:shop,!group:late", ["shop-1", "shop-3"]),
        ("!rescue,!shop-*, local", ["local"]),
        ("!rescue", ["shop-1", "shop-2", "shop-3"]),
        ("order", ["shop-1", "shop-2"]),
        ("shop:&order:!shop-2", ["shop-1"]),
        ("&late", ["shop-2"]),
        ("group:shop:&group:late", ["shop-2"]),
        ("lat*", ["shop-2"]),
        (r"~shop-\d$", ["shop-1", "shop-2", "shop-3"]),
        (r"~(order|rescue):!shop-1", ["shop-2", "rescue"]),
        ("order[0]", ["shop-1"]),
        ("order[-1]", ["shop-2"]),
        ("shop[1:2]", ["shop-2", "shop-3"]),
        ("shop[1:],rescue", ["shop-2", "shop-3", "rescue"]),
    ],
)
def test_a_pattern_means_hosts(pattern: str, found: list[str]) -> None:
    assert names(pattern) == found


def test_all_means_this_machine_only_if_it_is_declared_or_alone() -> None:
    assert names("all", Inventory()) == ["local"]
    assert names("*", load_inventory("hosts: {local: , b: }")) == ["local", "b"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("h.yaml", "there is a host of that name, not a group; write groups: {rescue: {hosts: [rescue]}}"),
        ("hosts", "there is a host of that name, not a group; write [rescue]"),
    ],
)
def test_a_group_that_is_only_a_host_is_told_as_it_is_written(path: str, said: str) -> None:
    bare = replace(load_inventory("hosts: {rescue: , other: }"), path=path)
    with pytest.raises(NoTargetError) as caught:
        names("group:rescue", bare)
    assert caught.value.remedy == said
    with pytest.raises(NoTargetError, match="there is no group; write "):
        names("group:web", bare)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("shop-9", '"shop-9" means no host; did you mean shop-'),
        ("ordr", '"ordr" means no host; did you mean order?'),
        ("group:oder", '"group:oder" means no host; did you mean group:order?'),
        ("shop-1,shop-9", '"shop-9" means no host'),
        ("all,!shop-9", '"shop-9" means no host'),
        ("web*", '"web*" means no host; there are late, order, shop, local, shop-1, shop-2, …'),
        ("order[2]", '"order[2]" means no host; order has 2 hosts, counted from 0'),
        ("order:&shop-3", 'the pattern "order:&shop-3" leaves no host; no host is in all of its groups'),
        ("~shop-[", "is no regular expression"),
        ("shop-1,!shop-1", 'the pattern "shop-1,!shop-1" leaves no host; exclude less'),
        ("", "has an empty part"),
        ("a,,b", "has an empty part"),
        ("!", "has an empty part"),
    ],
)
def test_a_part_that_means_no_host_is_an_error(pattern: str, said: str) -> None:
    with pytest.raises(NoTargetError) as caught:
        names(pattern)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts: {a: {port: 70000}}", "1:19 port is 70000; expected at most 65535"),
        ("hosts: {a: {transport: shh}}", 'transport is "shh"; expected one of local, ssh, chroot; did you mean ssh?'),
        ("hosts: {a: {transport: local, user: x}}", "1:31 user does not go with transport local"),
        ("hosts: {a: {transport: chroot}}", "a chroot needs the folder of its root; expected root: /mnt/…"),
        ("hosts: {a: {root: /mnt}}", "root does not go with transport ssh"),
        ("hosts: {a: {address: -oProxyCommand=x}}", 'address is "-oProxyCommand=x"'),
        ("hosts: {a: {user: '-x'}}", 'user is "-x"; expected a login name'),
        ("hosts: {-a: }", '1:9 "-a" is no name for a host'),
        ("hosts: {all: }", '"all" is no name for a host'),
        ("hosts: {local: {transport: ssh}}", "local is this machine; expected transport: local"),
        ("groups: {g: {hosts: [b]}}", "1:22 there is no host b; expected a name of hosts"),
        ("groups: {g: {children: [h]}}", "there is no group h"),
        ("groups: {g: {children: [h]}, h: {children: [g]}}", "g is a part of itself"),
        ("vars: {a-b: 1}", 'the name "a-b" is not allowed'),
        ("host: {}", 'unknown key "host"; expected one of hosts, groups, vars; did you mean hosts?'),
        ("- a", "an inventory is a mapping, this is a list"),
        ("hosts: {a: {ansible_host: x}}", "Ansible's keys are not read"),
        ("hosts: {a: {jump_host: b}}", "write ProxyJump into your ssh configuration"),
    ],
)
def test_a_fault_of_an_inventory_has_its_place(text: str, said: str) -> None:
    found = [f"{each.line}:{each.column} {each.sentence()}" for each in diagnose_inventory(text)]
    assert said in found[0]
    with pytest.raises(InventoryError):
        load_inventory(text)


def test_a_file_is_named_in_faults_and_in_the_inventory(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(SHOP)
    assert load_inventory(path).path == str(path)
    path.write_text("hosts: 3\ngroups: 4\n")
    with pytest.raises(InventoryError) as caught:
        load_inventory(path)
    assert str(caught.value) == f"{path}:1:8: hosts is 3; expected a mapping (and 1 more)"


def test_hosts_that_cannot_be_reached_yet_are_refused_when_they_are_chosen() -> None:
    inventory = load_inventory(SHOP)
    available = frozenset({"local"})
    refuse_transport(match(inventory, "shop-1"), available)
    refuse_transport(match(inventory, "shop-2"), available | {"ssh"})
    with pytest.raises(NoTargetError) as caught:
        refuse_transport(match(inventory, "rescue"), available)
    assert "rescue: needs the transport chroot, which is not there" in str(caught.value)


def test_long_chains_and_circles_of_groups_end() -> None:
    circle = "groups:\n" + "".join(f"  g{n}: {{children: [g{(n + 1) % 5000}]}}\n" for n in range(5000))
    above = "  outer: {children: [g0]}\n"
    assert [each.message for each in diagnose_inventory(circle + above)] == ["g0 is a part of itself"]
    hosts = "hosts:\n" + "".join(f"  h{n}:\n" for n in range(5000))
    chain = "groups:\n" + "".join(f"  g{n}: {{children: [g{n + 1}], hosts: [h{n}]}}\n" for n in range(4000))
    found = [each.message for each in diagnose_inventory(hosts + chain + "  g4000: {}\n")]
    assert found == ["too many hosts are in too many groups"]
