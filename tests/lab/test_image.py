"""Where the packages of the hosts come from: the machine's own sources for its own release, and no others."""

from pathlib import Path

import pytest

from tests.lab.image import apt_sources
from tests.lab.place import LabMissing

MODERN = """\
Types: deb deb-src
# a comment
URIs: https://mirror.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: https://mirror.example/security
Suites: trixie-security
Components: main
"""
THIRD_PARTY = "Types: deb\nURIs: https://other.example/apt\nSuites: stable\nComponents: main\n"
SWITCHED_OFF = "Enabled: no\nTypes: deb\nURIs: https://off.example/debian\nSuites: trixie\nComponents: main\n"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_sources_of_others_and_sources_that_are_off_are_left_out(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(MODERN)
    (etc / "sources.list.d/other.sources").write_text(THIRD_PARTY)
    (etc / "sources.list.d/off.sources").write_text(SWITCHED_OFF)
    (etc / "sources.list.d/cloud.list").write_text("deb https://cloud.example/apt cloud-trixie main\n")
    suffix, text = apt_sources("trixie", etc)
    assert suffix == ".sources"
    assert "mirror.example/debian" in text
    assert "mirror.example/security" in text
    assert not any(name in text for name in ("other.example", "off.example", "cloud.example"))


def test_a_list_of_the_old_form_serves_as_well(etc: Path) -> None:
    wanted = "deb [signed-by=/usr/share/keyrings/x.gpg] https://mirror.example/debian trixie main\n"
    (etc / "sources.list").write_text(f"# ours\n{wanted}deb https://other.example/apt stable main\n")
    assert apt_sources("trixie", etc) == (".list", wanted)


def test_a_machine_without_any_says_so(etc: Path) -> None:
    with pytest.raises(LabMissing, match="no apt source of this machine offers trixie"):
        apt_sources("trixie", etc)
