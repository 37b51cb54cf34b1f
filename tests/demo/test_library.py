"""The labels of the real shop: broken by a stale library that comes first, healed by the shipped playbooks."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.config import Settings, settings
from runbook.demo import library
from runbook.demo.incident import INCIDENTS, find_incident
from runbook.demo.label_incident import break_labels, labels_are_printed, start_with_labels
from runbook.demo.label_number import prints
from runbook.demo.label_unit import TRIES
from runbook.demo.layout import LABELS, SHOP_MARK
from runbook.demo.library import CACHE, CONFIG, FUNCTION, RIGHT, SONAME, STALE
from runbook.demo.number import is_healthy
from runbook.demo.shop import Shop, open_shop
from runbook.demo.state import read_state
from runbook.demo.tree import members
from runbook.errors import RefusedError
from runbook.session.control import Control
from runbook.session.demo import demo, incidents
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.result import Result
from runbook.session.run import start, undo
from runbook.session.unattended import Unattended
from runbook.testing import tree
from tests.demo.conftest import crew

NAME = "ldconfig-refresh"
REFRESH = Unattended(("refresh",))
RESTART = Unattended(("in-order",), {"cause": "restart", "stack": "fix", "by-hand": "done"})


@pytest.fixture(autouse=True)
def _needs_ldconfig() -> None:
    if why := library.why_not():
        pytest.skip(f"NOT TESTED: {why}")


class Labels:
    """A shop with labels, and an operator who runs the playbooks on them."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.settings: Settings = settings(folder)
        self.inventory = folder / "inventory.yaml"
        names = "".join(f"      {name}: '{value}'\n" for name, value in shop.inventory_vars.items())
        self.inventory.write_text(
            f"hosts:\n  shop-1:\n    transport: local\n    vars:\n      sudo: false\n{names}"
            "groups:\n  app: {hosts: [shop-1]}\n  order: {hosts: [shop-1]}\n"
        )

    @property
    def refresh(self) -> Order:
        known = self.shop.parameters()
        values = {name: known[name] for name in ("folder", "library", "config", "cache")} | {"soak": "1s"}
        return Order(playbook=NAME, values=values, inventory=self.inventory, approvals=("refresh",))

    @property
    def restart(self) -> Order:
        values = {"service": LABELS, "health_url": self.shop.parameters()["labels_health_url"]}
        brief = {"stable": "1s", "steady": "1s", "soak": "1s"}
        return Order(
            playbook="service-restart", values=values | brief, inventory=self.inventory, approvals=("in-order",)
        )

    def run_refresh(self) -> Result:
        return start(self.settings, self.refresh, REFRESH)

    def run_restart(self) -> Result:
        return start(self.settings, self.restart, RESTART)

    @property
    def service(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.shop.control("show", LABELS).splitlines())

    @property
    def loads(self) -> str:
        """Which folder the cache leads the service to."""
        return Path(library.look_up(SONAME, self.shop.layout.library / CACHE)).parent.name

    @property
    def files(self) -> dict[str, Any]:
        return tree(self.shop.layout.library)


@pytest.fixture
def labels(tmp_path: Path) -> Iterator[Labels]:
    with open_shop(tmp_path / "shop") as shop:
        start_with_labels(shop)
        yield Labels(shop, tmp_path)


def test_a_stale_library_ends_the_labels_and_nothing_else_until_both_playbooks_have_run(labels: Labels) -> None:
    shop = labels.shop
    assert labels.loads == RIGHT

    broken = break_labels(shop)

    assert (labels.loads, broken.labels, is_healthy(broken)) == (STALE, None, True)
    service = labels.service
    assert (service["ActiveState"], service["Result"]) == ("failed", "start-limit-hit")
    assert (service["NRestarts"], service["ExecMainStatus"]) == (str(TRIES), "127")
    log = shop.layout.log(LABELS).read_text()
    assert f"{shop.layout.library / STALE / SONAME}: undefined symbol: {FUNCTION}" in log
    files = labels.files
    seen = rehearse(labels.settings, labels.refresh, REFRESH)
    assert (seen.refused, seen.blast_radius["changes"], labels.files) == (False, 1, files)

    refreshed = labels.run_refresh()

    assert (refreshed.status, refreshed.why, labels.loads) == ("succeeded", "", RIGHT)
    # The library alone does not bring back what was given up.
    assert labels.service["Result"] == "start-limit-hit"
    restarted = labels.run_restart()
    assert (restarted.status, restarted.why) == ("succeeded", "")
    after = shop.wait(labels_are_printed, "printing labels", within=20)
    assert after.labels is not None
    assert after.labels.misread == 0


def test_undo_of_the_refresh_gives_back_every_byte_of_the_broken_state(labels: Labels) -> None:
    break_labels(labels.shop)
    files, cache = labels.files, (labels.shop.layout.library / CACHE).read_bytes()
    result = labels.run_refresh()
    assert (result.status, labels.loads) == ("succeeded", RIGHT)

    undone = undo(labels.settings, result.run, Unattended())

    assert (undone.status, labels.loads) == ("undone", STALE)
    assert (labels.files, (labels.shop.layout.library / CACHE).read_bytes()) == (files, cache)


def test_the_other_incidents_run_without_labels(tmp_path: Path) -> None:
    with open_shop(tmp_path / "shop") as shop:
        numbers = shop.start()
        mark = (SHOP_MARK, read_state(shop.folder).token)

        assert (numbers.labels, prints(numbers.labels)) == (None, False)
        assert len(members(mark)) == crew(shop.folder)
        assert not shop.layout.library.exists()
        assert LABELS not in shop.control("list").split()


def test_the_demo_heals_it_unattended_and_leaves_nothing(tmp_path: Path) -> None:
    told: list[str] = []

    shown = demo(settings(tmp_path), Unattended(), (), Control(), name=NAME, folder=tmp_path / "shop", tell=told.append)

    assert ([each.status for each in shown.results], shown.healthy) == (["succeeded", "succeeded"], True)
    assert shown.before.labels is not None
    assert shown.broken.labels is None
    assert shown.after is not None
    assert prints(shown.after.labels)
    assert any(line.startswith("broken: labels unknown") for line in told)
    assert not (tmp_path / "shop").exists()


def test_the_system_has_no_part_in_it(labels: Labels) -> None:
    before = [(path, os.stat(path).st_mtime_ns) for path in ("/etc/ld.so.cache", "/etc")]

    break_labels(labels.shop)
    labels.run_refresh()

    assert [(path, os.stat(path).st_mtime_ns) for path, _ in before] == before


def test_only_the_function_is_taken_from_the_stale_library(tmp_path: Path) -> None:
    library.make_libraries(tmp_path / "library")
    right, stale = (tmp_path / "library" / name / SONAME for name in (RIGHT, STALE))

    assert right.read_bytes() == Path(library.look_up(SONAME)).read_bytes()
    assert len(right.read_bytes()) == len(stale.read_bytes())
    assert getattr(ctypes.CDLL(str(right)), FUNCTION) is not None
    # The loader of this machine says so, be it when it loads the library or when it looks the function up.
    with pytest.raises((OSError, AttributeError), match=f"undefined symbol: {FUNCTION}"):
        getattr(ctypes.CDLL(str(stale)), FUNCTION)


def test_the_driver_comes_first_by_the_order_of_the_configuration_alone(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    library.make_libraries(folder)
    library.install_printer(folder)

    said = subprocess.run(
        [library.LDCONFIG, "-p", "-C", folder / CACHE], capture_output=True, text=True, check=True
    ).stdout
    found = [line.split(" => ")[1] for line in said.splitlines() if str(folder) in line and f"\t{SONAME} " in line]
    assert found == [str(folder / STALE / SONAME), str(folder / RIGHT / SONAME)]
    assert (folder / CONFIG).read_text() == f"include {CONFIG}.d/*.conf\n"


def test_a_library_that_no_cache_has_is_not_found(tmp_path: Path) -> None:
    library.make_libraries(tmp_path / "library")

    assert library.look_up("libnobody.so.1", tmp_path / "library" / CACHE) == ""
    with pytest.raises(library.LibraryError, match="failed"):
        library.look_up(SONAME, tmp_path / "no-cache")


@pytest.fixture
def without_ldconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(library, "LDCONFIG", str(tmp_path / "no-ldconfig"))
    library.why_not.cache_clear()
    yield
    library.why_not.cache_clear()


@pytest.mark.usefixtures("without_ldconfig")
def test_without_ldconfig_the_incident_is_listed_as_missing_and_refused_before_anything(tmp_path: Path) -> None:
    missing = {incident.id: incident.missing() for incident in incidents()}
    told: list[str] = []

    assert [name for name, why in missing.items() if why] == [NAME]
    assert "no-ldconfig does not run" in missing[NAME]
    assert "\n" not in missing[NAME]
    with pytest.raises(RefusedError, match="cannot be staged on this machine"):
        demo(settings(tmp_path), Unattended(), (), Control(), name=NAME, folder=tmp_path / "shop", tell=told.append)
    assert (told, (tmp_path / "shop").exists()) == ([], False)


def test_the_incident_is_the_last_of_five() -> None:
    assert INCIDENTS[-1] is find_incident(NAME)
    assert len(incidents()) == 5
