import pytest

from runbook.demo.incident import INCIDENTS, find_incident
from runbook.demo.layout import choose_ports
from runbook.errors import UsageError


def test_every_incident_is_found_by_its_id() -> None:
    assert tuple(find_incident(incident.id) for incident in INCIDENTS) == INCIDENTS


def test_a_misspelt_incident_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean config-rollback"):
        find_incident("config-rolback")


def test_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = choose_ports()
    numbers = {ports.database, ports.order, ports.load}
    assert len(numbers) == 3
    assert all(20_000 <= number < 30_000 for number in numbers)
