"""Inventories of Ansible mean what Ansible says that they mean; the expected values are those of ansible-core 2.21."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.errors import UsageError
from runbook.loader import diagnose_inventory, load_inventory, match
from runbook.loader.hostrange import expand
from runbook.model.host import Host
from runbook.model.playbook import Param, Playbook
from runbook.session.value import resolve

INI = """\
# comment
lonely ansible_host=10.9.9.9
[web]
web[01:02].example.com ansible_user=ops http_port=80
web[a:b]:2222 flag=true lit=True words="two words" # trailing
db-old:2200
[db]
db[1:7:3] ansible_host=10.0.0.5 nums='[1, 2]'
[db:vars]
ansible_port=2201
x=from_db # no comment
y="quoted"
[prod:children]
web
db
[prod:vars]
x=from_prod
ansible_ssh_private_key_file=~/.ssh/prod
[late]
db1
[late:vars]
ansible_group_priority=10
x=from_late
[all:vars]
z=top
ansible_python_interpreter=/usr/bin/python3
"""
YAML = """\
all:
  vars: {z: top}
  children:
    prod:
      children:
        db:
          hosts:
            db1: {ansible_host: 10.1.1.1, ansible_port: 2222}
            here: {ansible_connection: local}
          vars:
            x: db
            link: "{{ x }}!"
            sealed: !vault |
              $ANSIBLE_VAULT;1.1;AES256
              6162
            brace: !unsafe "{{ raw }}"
      vars: {x: prod}
"""
JSON = """\
{
  "_meta": {"hostvars": {"h1": {"ansible_host": "1.2.3.4", "n": 1, "s": {"__ansible_vault": "$ANSIBLE"}}, "h2": {}}},
  "all": {"children": ["ungrouped", "web", "db"]},
  "web": {"hosts": ["h1", "h2"]},
  "db": {"children": ["web"]}
}
"""


def hosts(text: str) -> dict[str, Host]:
    return {host.name: host for host in load_inventory(text).hosts}


def test_the_ini_form_is_read_as_ansible_reads_it() -> None:
    found = hosts(INI)
    names = "local lonely web01.example.com web02.example.com weba webb db-old db1 db4 db7"
    assert list(found) == names.split()
    assert found["lonely"] == Host("lonely", address="10.9.9.9", groups=("ungrouped",), vars={"z": "top"})
    ops = found["web01.example.com"]
    assert (ops.user, ops.key_file, ops.groups) == ("ops", "~/.ssh/prod", ("web", "prod"))
    assert ops.vars == {"z": "top", "x": "from_prod", "http_port": 80}
    assert (found["weba"].port, found["db-old"].port, found["db4"].port) == (2222, 2200, 2201)
    assert found["webb"].vars == {"z": "top", "x": "from_prod", "flag": "true", "lit": True, "words": "two words"}
    expected = {"z": "top", "x": "from_db # no comment", "y": "quoted", "nums": [1, 2]}
    assert (found["db4"].address, found["db4"].vars) == ("10.0.0.5", expected)
    assert found["db1"].vars["x"] == "from_db # no comment"  # lies deeper than `late`


def test_of_equally_deep_groups_the_one_of_higher_priority_wins() -> None:
    groups = "[a]\nh\n[b]\nh\n[a:vars]\nx=a\ny=a\n{}[b:vars]\nx=b\n"
    assert hosts(groups.format(""))["h"].vars == {"x": "b", "y": "a"}
    assert hosts(groups.format("ansible_group_priority=5\n"))["h"].vars == {"x": "a", "y": "a"}


def test_the_yaml_form_is_read_as_ansible_reads_it() -> None:
    found = hosts(YAML)
    assert (found["db1"].address, found["db1"].port, found["db1"].groups) == ("10.1.1.1", 2222, ("prod", "db"))
    assert (found["db1"].vars["z"], found["db1"].vars["x"]) == ("top", "db")
    assert found["db1"].vars["brace"] == "{{ raw }}"
    assert found["here"].transport == "local"


def test_what_ansible_inventory_lists_is_read() -> None:
    found = hosts(JSON)
    assert (found["h1"].address, found["h1"].groups, found["h1"].vars["n"]) == ("1.2.3.4", ("web", "db"), 1)
    assert [host.name for host in match(load_inventory(JSON), "db:!h1")] == ["h2"]


def test_a_file_of_nothing_but_names_is_an_inventory() -> None:
    assert list(hosts("web1\nweb[2:3]\n")) == ["local", "web1", "web2", "web3"]


@pytest.mark.parametrize(("name", "said"), [("link", "is a template"), ("sealed", "is encrypted by Ansible Vault")])
def test_a_value_that_only_ansible_can_read_is_refused_where_it_is_wanted(name: str, said: str) -> None:
    playbook = Playbook(schema="runbook/v1", id="p", title="P", steps=(), params={name: Param(type="string")})
    chosen = {"db1": hosts(YAML)["db1"]}
    with pytest.raises(UsageError) as caught:
        resolve(playbook, chosen, environment={})
    assert f"{name} of db1 {said}" in str(caught.value)
    assert f"--set {name}=VALUE" in str(caught.value)
    assert resolve(playbook, chosen, given={name: "x"}, environment={}).common == {name: "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web]\nh ansible_ssh_common_args='-J x'\n", "2:1 ansible_ssh_common_args cannot be honoured; put it into"),
        ("[web]\nh\n[web:vars]\nansible_become=yes\n", "4:1 ansible_become cannot be honoured; write sudo: true"),
        ("[web]\nh ansible_ssh_pass=hunter2\n", "2:1 ansible_ssh_pass cannot be honoured; passwords are asked for"),
        ("[web]\nh ansible_connection=docker\n", '2:1 h has the connection "docker"; there are ssh and local'),
        ("[web]\nh ansible_port=x\n", '2:1 ansible_port of h is "x"'),
        ("[web]\nh ansible_host='{{ ip }}'\n", "2:1 ansible_host of h is a template, which only Ansible can read"),
        ("[web]\nh ansible_host=-oProxyCommand=x\n", '2:1 ansible_host of h is "-oProxyCommand=x"'),
        ("[web]\nh[3:1]\n", '2:1 "h[3:1]" has the range [3:1], which does not go upwards'),
        ("[web]\nh[1:99999999]\n", "means more than 20000 hosts"),
        ("[web]\nh1 h2\n", '2:1 "h2" is no variable; write NAME=VALUE, or one host in a line'),
        ("[web]\nfe80::1\n", '2:1 "fe80::1" is no name for a host; give it a name, and this as ansible_host'),
        ("[web]\n-oX ansible_port=1\n", '2:1 "-oX" is no name for a host'),
        ("[web]\nh\n[web:hosts:x]\n", "3:1 \"[web:hosts:x]\" begins no section; write [GROUP]"),
        ("[web]\nh\n[wbe:vars]\na=1\n", "3:1 there is no group wbe; did you mean web?"),
        ("[a:children]\nb\n[b:children]\na\n", "is a part of itself"),
        ("plugin: aws_ec2\n", "1:1 this asks a plugin of Ansible for the hosts, which is not run; ansible"),
        ("#!/bin/sh\necho: [\n", "1:1 this is a program, which is not run to learn the hosts"),
        ("all: {hosts: h1}", '1:14 hosts is "h1"; write hosts: {h1: }'),
        ("all: {hosts: {h: }, host: {}}", '1:21 "host" is no part of a group'),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_one_clear_line_with_its_place(text: str, said: str) -> None:
    found = [f"{each.line}:{each.column} {each.sentence()}" for each in diagnose_inventory(text)]
    assert len(found) == 1
    assert said in found[0]
    assert "hunter2" not in found[0]


def test_a_variable_of_a_group_is_told_once_for_all_its_hosts() -> None:
    found = diagnose_inventory("[web]\nh[1:50]\n[web:vars]\nansible_become=true\n")
    assert [each.line for each in found] == [4]


def test_variables_beside_the_file_are_never_left_out_silently(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("[web]\nh1\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    found = diagnose_inventory(path)[0]
    assert (Path(found.file).name, found.message) == ("web.yml", "the file is encrypted by Ansible Vault")
    assert found.hint.startswith("run ansible-inventory")
    (tmp_path / "group_vars/web.yml").write_text("a: 1\nansible_become: true\n")
    found = diagnose_inventory(path)[0]
    assert (Path(found.file).name, found.line, found.message) == ("web.yml", 2, "ansible_become cannot be honoured")
    path.write_text(JSON)
    assert diagnose_inventory(path) == []


def test_variables_beside_the_file_win_over_it_as_in_ansible(tmp_path: Path) -> None:
    """The expected values are those of `ansible-inventory --list`."""
    files = {
        "hosts": "[web]\nh1 a=inline\nh2\n[db]\nh3\n[prod:children]\nweb\n[web:vars]\na=web\nb=web\nc=web\n"
        "[all:vars]\nd=all\n",
        "group_vars/all.yml": "b: all-file\nd: all-file\ne: all-file\nfrom: all\n",
        "group_vars/prod/z.yaml": "e: prod-z\nfrom: prod\n",
        "group_vars/prod/a.yml": "e: prod-a\nf: [1, {g: x}]\n",
        "group_vars/prod/.hidden": "e: hidden\n",
        "group_vars/prod/note.txt": "e: text\n",
        "group_vars/web": "from: web\nansible_user: ops\n",
        "group_vars/web.yml": "from: never\n",
        "group_vars/other.yml": "from: [unclosed\n",
        "host_vars/h1.json": '{"a": "file", "ansible_port": 2222}',
        "host_vars/h2/": "",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(text)

    inventory = load_inventory(tmp_path / "hosts")

    h1, h2, h3 = (host for host in inventory.hosts if host.name != "local")
    shared = {"b": "all-file", "c": "web", "d": "all-file", "e": "prod-z", "f": [1, {"g": "x"}], "from": "web"}
    assert (h1.vars, h1.user, h1.port) == ({**shared, "a": "file"}, "ops", 2222)
    assert (h2.vars, h2.user, h2.port) == ({**shared, "a": "web"}, "ops", 0)
    assert h3.vars == {"b": "all-file", "d": "all-file", "e": "all-file", "from": "all"}
    assert [Path(name).name for name in inventory.beside] == ["all.yml", "web", "a.yml", "z.yaml", "h1.json"]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("a", ["a"]),
        ("a[8:11]", ["a8", "a9", "a10", "a11"]),
        ("a[08:10]b", ["a08b", "a09b", "a10b"]),
        ("[:1]-[x:y]", ["0-x", "0-y", "1-x", "1-y"]),
        ("a[0:9:4]", ["a0", "a4", "a8"]),
    ],
)
def test_a_range_means_both_ends_and_keeps_its_width(written: str, names: list[str]) -> None:
    assert list(expand(written)) == names
