"""The real shop while an operator's process is killed in the middle of the most dangerous step, and the run resumed.

The switches of the cache and of the runtime are killed in `test_inventory` and `tests/playbook/test_service_restart`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.demo import library
from runbook.demo.backlog import break_payments
from runbook.demo.incident import find_incident
from runbook.demo.label_incident import break_labels, labels_are_printed, start_with_labels
from runbook.demo.layout import GOOD_TAG, LABELS, ORDER
from runbook.demo.library import CACHE, RIGHT, SONAME
from runbook.demo.number import is_healthy, is_settled
from runbook.demo.shop import Shop, open_shop
from runbook.events import fact as f
from runbook.session.record import facts_of, state_of
from runbook.session.staging import SHORT
from runbook.testing import tree
from tests.playbook.stand import Stand

pytestmark = pytest.mark.slow

BRIEF = {"stable": "1s", "steady": "1s", "soak": "1s"}
BACKLOG = 1000
STANDS = {
    "config-rollback": ("order", ("roll-back",), ("freeze",)),
    "queue-replay": ("queue", ("canary", "replay"), ("cause", "confirm", "judge")),
    "ldconfig-refresh": ("app", ("refresh",), ()),
}
"""The group of the host, what is approved, and what is answered with done."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("killed") / "shop") as shop:
        if library.why_not():
            shop.start()
        else:
            start_with_labels(shop)
        yield shop


def stand(shop: Shop, folder: Path, playbook: str, names: tuple[str, ...], **values: str) -> Stand:
    known = shop.parameters()
    group, approvals, asked = STANDS[playbook]
    return Stand(
        folder,
        playbook,
        {name: known[name] for name in names} | values,
        group=group,
        host_vars=shop.inventory_vars,
        approvals=approvals,
        answers=dict.fromkeys(asked, "done"),
    )


def begun(stand: Stand, run: str) -> list[str]:
    """Return the operations that were begun, in order; one that was carried out again stands twice."""
    return [fact.operation for fact in facts_of(stand.journal, run) if isinstance(fact, f.OperationIntended)]


def open_operation(stand: Stand, run: str) -> str:
    (found,) = (
        op.name
        for at in state_of(stand.journal, run).steps.values()
        for attempt in at.attempts
        for op in attempt.operations
        if op.receipt is None
    )
    return found


def git(shop: Shop, *words: str) -> bytes:
    return subprocess.run(["git", "-C", shop.layout.config, *words], check=True, capture_output=True).stdout


def checkout(shop: Shop) -> object:
    """Return all that git and the service see; the copies that undo keeps lie in the folder of git."""
    files = {name: state for name, state in tree(shop.layout.config).items() if not name.startswith(".git")}
    return files, git(shop, "status", "--porcelain"), git(shop, "rev-parse", "HEAD")


def test_a_rollback_killed_while_the_file_is_swapped_leaves_it_whole_and_is_resumed(shop: Shop, tmp_path: Path) -> None:
    names = ("good_ref", "service", "repo", "file", "health_url", "metrics_url", "normal_at")
    here = stand(shop, tmp_path, "config-rollback", names, **{**SHORT, **BRIEF})
    find_incident("config-rollback").break_it(shop)
    bad, good = shop.layout.config_file.read_bytes(), git(shop, "show", f"{GOOD_TAG}:db-config.yaml")
    before, checked_out = tree(shop.layout.config), checkout(shop)
    assert not here.rehearse().refused
    assert tree(shop.layout.config) == before

    run = here.killed("before-receipt:2")

    assert open_operation(here, run) == "restore"
    assert shop.layout.config_file.read_bytes() == good
    result = here.resume(run)
    assert (result.status, result.why) == ("succeeded", "")
    assert (shop.layout.config_file.read_bytes(), begun(here, run).count("restore")) == (good, 1)
    shop.wait(is_healthy, "healthy", within=30)

    # The way back: the file of the broken state byte for byte, and the service runs with it again.
    assert here.undo(run).status == "undone"
    assert (shop.layout.config_file.read_bytes(), checkout(shop)) == (bad, checked_out)
    git(shop, "checkout", "-q", GOOD_TAG, "--", "db-config.yaml")
    shop.control("restart", ORDER)


def test_a_replay_killed_in_a_batch_loses_nothing_and_books_nothing_twice(shop: Shop, tmp_path: Path) -> None:
    here = stand(shop, tmp_path, "queue-replay", ("queue_control",), rate="0", batch="200")
    sent = (found.sent if (found := shop.numbers().payments) is not None else 0) + BACKLOG
    break_payments(shop, backlog=BACKLOG)
    here.rehearse()
    found = shop.numbers().payments
    assert found is not None
    assert (found.dead, found.waiting) == (BACKLOG, 0)

    # The canary is the first batch; the third has moved, and nobody has heard of it.
    run = here.killed("before-receipt:3")

    assert open_operation(here, run) == "batch-00002"
    result = here.resume(run)
    assert (result.status, result.why) == ("succeeded", "")
    numbers = shop.wait(is_settled, "settled", within=30)
    assert numbers.payments is not None
    assert (numbers.payments.sent, numbers.payments.booked, numbers.payments.duplicates) == (sent, sent, 0)
    moved = [result.state.at(step, "stand").result["moved"] for step in ("canary", "replay")]
    assert moved == [100, BACKLOG - 100]
    assert len(begun(here, run)) == 1 + len(range(100, BACKLOG, 200))


def test_a_refresh_killed_while_the_cache_is_built_leaves_a_whole_cache(shop: Shop, tmp_path: Path) -> None:
    if why := library.why_not():
        pytest.skip(f"NOT TESTED: {why}")
    here = stand(shop, tmp_path, "ldconfig-refresh", ("folder", "library", "config", "cache"), soak="1s")
    break_labels(shop)
    broken = tree(shop.layout.library)
    assert not here.rehearse().refused
    assert tree(shop.layout.library) == broken
    cache = shop.layout.library / CACHE

    run = here.killed("before-receipt:3")

    assert open_operation(here, run) == "build"
    whole = cache.read_bytes()
    assert library.look_up(SONAME, cache) != ""
    result = here.resume(run)
    assert (result.status, result.why) == ("succeeded", "")
    assert Path(library.look_up(SONAME, cache)).parent.name == RIGHT
    assert cache.read_bytes() == whole
    # What was given up after its crashes is started by hand here, as service-restart does it.
    shop.control("restart", LABELS)
    shop.wait(labels_are_printed, "printing labels", within=30)
    assert here.undo(run).status == "undone"
    assert tree(shop.layout.library) == broken
