from pathlib import Path

import pytest

from runbook.demo.unit import Unit, is_unit_name, read_unit, write_unit
from runbook.errors import ConfigError


def test_a_unit_is_read_back(tmp_path: Path) -> None:
    unit = Unit(argv=("/bin/sh", "-c", "exit 1"), env={"A": "b c"}, restart="always", restart_delay=0.1)
    write_unit(tmp_path / "a.json", unit)
    assert read_unit(tmp_path / "a.json") == unit


@pytest.mark.parametrize(
    "text", ["", "[]", '{"argv": []}', '{"argv": ["x"], "restrat": "no"}', '{"argv": "x"}', "\xff"]
)
def test_a_faulty_unit_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"a\.json"):
        read_unit(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-a", "a b", "a\n", "a" * 65])
def test_what_could_be_a_path_or_an_option_is_no_unit_name(name: str) -> None:
    assert is_unit_name(name) is False


def test_usual_names_are_unit_names() -> None:
    assert all(map(is_unit_name, ("order-service", "queue@1", "a.b_c")))
