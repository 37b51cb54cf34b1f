"""Staging: what each incident of the demo needs so that ordinary runs of the shipped playbooks heal it.

Owns parameters and, if nobody is there, the answers. An incident may take several runs: to the cache, the push rolled
back, back to the database.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from runbook.demo.number import Numbers
from runbook.demo.repository import BAD_CONNECTIONS, BAD_SUBJECT, GOOD_CONNECTIONS
from runbook.model.scalar import Json


class Cure(Struct, frozen=True, kw_only=True):
    """One run of a shipped playbook."""

    playbook: str
    takes: tuple[str, ...] = ()
    """Names of the shop's parameters that the playbook takes."""
    takes_as: dict[str, str] = {}
    """The playbook's names of parameters that the shop names otherwise."""
    values: dict[str, str]
    """Parameters besides: how long it watches is much shorter than on a real host."""
    approvals: tuple[str, ...] = ()
    answers: dict[str, Json] = {}
    because: str = ""
    """Why the answers are true here; told when nobody is asked."""


class Staging(Struct, frozen=True, kw_only=True):
    """How an incident is shown."""

    cause: str
    """What is about to be broken, in one line."""
    cures: tuple[Cure, ...]
    numbers: Callable[[Numbers], str]
    """The shop's own numbers that matter for this incident, in one line."""
    looks: tuple[tuple[str, ...], ...]
    """Commands by which one looks at what was hit, in a shop that stays up; `{name}` is a parameter of the shop."""


def of_orders(numbers: Numbers) -> str:
    """Say how orders fare; what nobody knows is told as unknown."""
    failing = "unknown" if numbers.failure_rate is None else f"{numbers.failure_rate:.1%}".replace("%", " %")
    slowest = "unknown" if numbers.p99_ms is None else f"{numbers.p99_ms:.0f} ms"
    pool = "unknown" if numbers.pool_max is None else f"{numbers.pool_open} connections open of {numbers.pool_max}"
    return f"{numbers.orders_per_s:.1f} orders/s, {failing} fail, p99 {slowest}, pool {pool}"


def of_payments(numbers: Numbers) -> str:
    """Say how payments fare."""
    found = numbers.payments
    if found is None:
        return f"payments unknown, {of_orders(numbers)}"
    return (
        f"{found.sent} callbacks sent, {found.booked} booked, {found.duplicates} twice, "
        f"{found.waiting} waiting, {found.dead} dead letters"
    )


def of_stock(numbers: Numbers) -> str:
    """Say how deductions fare."""
    stock = numbers.stock
    if stock is None:
        return f"stock unknown, {of_orders(numbers)}"
    failing = "unknown" if stock.failure_rate is None else f"{stock.failure_rate:.1%}".replace("%", " %")
    mode = "from the cache" if stock.degraded else "from the database"
    return (
        f"{stock.deductions_per_s:.1f} deductions/s {mode}, {failing} fail, {stock.oversold} oversold; "
        f"{of_orders(numbers)}"
    )


def of_labels(numbers: Numbers) -> str:
    """Say how labels fare."""
    labels = numbers.labels
    if labels is None:
        return f"labels unknown, the service does not answer; {of_orders(numbers)}"
    return f"{labels.labels_per_s:.1f} labels/s, {labels.misread} misread; {of_orders(numbers)}"


SHORT = {
    "stable": "3s",
    "steady": "3s",
    "soak": "5s",
    "guarded": "true",
    "monitor_interval": "2s",
    "throughput": 'shop_orders_per_second{result="ok"}',
    "errors": 'shop_orders_per_second{result="failed"}',
}
"""What the rollback watches here, and how long; a real host is watched longer, metrics only if there are some."""

_PUSH = f"the release automation pushes {BAD_SUBJECT!r}: {GOOD_CONNECTIONS} connections become {BAD_CONNECTIONS}"

_ROLL_BACK = Cure(
    playbook="config-rollback",
    takes=("good_ref", "service", "repo", "file", "health_url", "metrics_url", "normal_at"),
    values=SHORT,
    approvals=("roll-back",),
    answers={"freeze": "done"},
    because="the shop's release automation pushes once and does not run any more: freeze is answered with done",
)


def _curl(name: str) -> tuple[str, ...]:
    return ("curl", "-s", f"{{{name}}}")


def _cache(phase: str, approval: str, because: str) -> Cure:
    return Cure(
        playbook="cache-degradation",
        takes=("switch_file", "status_url", "stock_health_url"),
        values={"phase": phase, "steady": "3s", "agree": "2s", "soak": "3s"},
        approvals=(approval,),
        answers={"agreed": "done"},
        because=because,
    )


STAGINGS: dict[str, Staging] = {
    "config-rollback": Staging(
        cause=_PUSH,
        cures=(_ROLL_BACK,),
        numbers=of_orders,
        looks=(_curl("order_page"), ("{control}", "show", "{service}"), ("git", "-C", "{repo}", "diff", "{good_ref}")),
    ),
    "queue-replay": Staging(
        cause="the payment gateway calls back while orders cannot be confirmed: the consumer rejects every callback",
        cures=(
            Cure(
                playbook="queue-replay",
                takes=("queue_control",),
                values={"rate": "0", "batch": "5000"},
                approvals=("canary", "replay"),
                answers={"cause": "done", "confirm": "done", "judge": "done"},
                because="the consumer books each callback once by its id, and orders are confirmed again: "
                "cause, confirm and judge are answered with done",
            ),
        ),
        numbers=of_payments,
        looks=(_curl("payments_url"), ("{queue_control}", "show", "{source}", "{destination}")),
    ),
    "cache-degradation": Staging(
        cause=_PUSH,
        cures=(
            _cache("degrade", "degrade", "nobody else sells the shop's stock: agreed is answered with done"),
            _ROLL_BACK,
            _cache("restore", "restore", ""),
        ),
        numbers=of_stock,
        looks=(_curl("status_url"), _curl("stock_health_url"), ("cat", "{switch_file}")),
    ),
    "service-restart": Staging(
        cause="the runtime of the order service is upgraded, and the service is restarted",
        cures=(
            Cure(
                playbook="service-restart",
                takes=(
                    "service",
                    "needs",
                    "runtime_link",
                    "runtime_binary",
                    "good_version",
                    "start_by_hand",
                    "health_url",
                ),
                values={"stable": "3s", "steady": "3s", "soak": "3s"},
                approvals=("in-order",),
                answers={"cause": "runtime", "stack": "roll-back"},
                because="the runtime was just upgraded, and its scheduler fails: the answers are runtime, roll-back",
            ),
        ),
        numbers=of_orders,
        looks=(_curl("health_url"), ("{control}", "show", "{service}"), ("readlink", "{runtime_link}")),
    ),
    "ldconfig-refresh": Staging(
        cause="the driver of a printer is installed: it puts its folder first in the search path of the libraries, "
        "and the label service is restarted",
        cures=(
            Cure(
                playbook="ldconfig-refresh",
                takes=("folder", "library", "config", "cache"),
                values={"soak": "3s"},
                approvals=("refresh",),
            ),
            Cure(
                playbook="service-restart",
                takes_as={"service": "labels", "health_url": "labels_health_url"},
                values={"stable": "3s", "steady": "3s", "soak": "3s"},
                approvals=("in-order",),
                answers={"cause": "restart"},
                because="the library is the right one again, and its service was given up after a few crashes: "
                "the answer is restart",
            ),
        ),
        numbers=of_labels,
        looks=(_curl("labels_health_url"), ("{control}", "show", "{labels}"), ("cat", "{config}")),
    ),
}
"""By the id of the incident."""
