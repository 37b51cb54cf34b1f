"""The root file system of the hosts: made once by `build.sh` and `seed.sh`, then kept in the cache.

Its name is a digest of what went into it. Packages come from the machine's own apt sources; nothing is installed on
the machine: mmdebstrap is unpacked into the cache, and ip, nft and nspawn are run out of the root file system itself.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from tests.lab.lock import hold
from tests.lab.place import HERE, LabMissing, cache, release

BUILD_LIMIT = 300
"""Seconds."""
KEPT_DAYS = 14
SCRIPTS = ("build.sh", "seed.sh")

Say = Callable[[str], None]


class Image(Struct, frozen=True):
    """A built root file system, never written to again."""

    root: Path

    def tool(self, name: str, *args: str) -> list[str]:
        """Return the command line that runs a program of the image on the machine, with the image's libraries."""
        libraries = next(self.root.glob("usr/lib/*-linux-gnu*"))
        loader = next(libraries.glob("ld-linux*.so.*"))
        program = next(p for folder in ("usr/bin", "usr/sbin") if (p := self.root / folder / name).exists())
        return [str(loader), "--library-path", f"{libraries}:{libraries}/systemd", str(program), *args]


def ready_image(say: Say) -> Image:
    """Return the image for this machine, building it if it is not in the cache; raises LabMissing if that fails."""
    folder = cache()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with hold(folder / "lock", seconds=BUILD_LIMIT):
        root = folder / f"root-{_digest()}"
        if not root.is_dir():
            say("building the hosts' root file system, about a minute …")
            _build(folder, root)
        os.utime(root)
        _prune(folder, root)
    return Image(root)


def cached_images() -> list[Image]:
    """Return all images that are in the cache, the one used last first."""
    return [Image(root) for root in sorted(cache().glob("root-*"), key=lambda p: p.stat().st_mtime, reverse=True)]


def _digest() -> str:
    digest = hashlib.sha256(f"{release()['VERSION_CODENAME']} {platform.machine()}\n".encode())
    for name in SCRIPTS:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def _prune(folder: Path, used: Path) -> None:
    """Remove what nobody has used for long and what a broken build has left."""
    for path in folder.glob("root-*"):
        if path != used and time.time() - path.stat().st_mtime > KEPT_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


def _build(folder: Path, root: Path) -> None:
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    suffix, text = apt_sources(release()["VERSION_CODENAME"])
    list_file = folder / f"apt{suffix}"
    list_file.write_text(text)
    log = folder / "build.log"
    log.write_text("")
    tool = shutil.which("mmdebstrap") or str(_fetch(folder, list_file, log))
    try:
        # What it mounts into the folder, the machine's own /dev/shm too, is gone with it, however it ends: whoever
        # removed the folder later would empty that.
        alone = ["unshare", "--mount", "--propagation", "private", "--"]
        _logged(log, [*alone, str(HERE / "build.sh"), tool, release()["VERSION_CODENAME"], str(list_file), str(part)])
        _logged(log, [str(HERE / "seed.sh"), str(part)])
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fetch(folder: Path, list_file: Path, log: Path) -> Path:
    """Unpack mmdebstrap into the cache and return its path; if apt knows of none, it looks with lists of our own."""
    tools = folder / "tools"
    program = tools / "usr/bin/mmdebstrap"
    if program.exists():
        return program
    shutil.rmtree(tools, ignore_errors=True)
    lists = tools / "lists"
    (lists / "partial").mkdir(parents=True)
    own = [f"Dir::State::Lists={lists}", f"Dir::Etc::SourceList={list_file}", "Dir::Etc::SourceParts=-"]
    options = ["-q", "-o", "APT::Sandbox::User=root"]
    try:
        _logged(log, ["apt-get", *options, "download", "mmdebstrap"], cwd=tools)
    except LabMissing:
        options += [word for setting in own for word in ("-o", setting)]
        _logged(log, ["apt-get", *options, "update"])
        _logged(log, ["apt-get", *options, "download", "mmdebstrap"], cwd=tools)
    for package in tools.glob("mmdebstrap_*.deb"):
        _logged(log, ["dpkg-deb", "-x", str(package), str(tools)])
    shutil.rmtree(lists, ignore_errors=True)
    return program


def _logged(log: Path, argv: list[str], cwd: Path | None = None) -> None:
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as file:
        try:
            subprocess.run(
                argv,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=cwd,
                env=env,
                timeout=BUILD_LIMIT,
            )
        except (subprocess.SubprocessError, OSError) as error:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            last = lines[-1] if lines else str(error)
            raise LabMissing(f"{Path(argv[0]).name} failed: {last} (all of it: {log})") from error


def apt_sources(codename: str, folder: Path = Path("/etc/apt")) -> tuple[str, str]:
    """Return those of the machine's apt sources that offer its own release: the suffix of such a file, and its text.

    Third-party sources are left out. One form has to do, because a file holds only one: deb822 if there is any.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    suite = re.compile(rf"{re.escape(codename)}(-updates|-security)?")
    stanzas = [
        stanza
        for path in files
        if path.suffix == ".sources" and path.exists()
        for stanza in re.split(r"\n\s*\n", path.read_text())
        if _offers(stanza, suite)
    ]
    lines = [
        line
        for path in files
        if path.suffix == ".list" and path.exists()
        for line in path.read_text().splitlines()
        if re.match(rf"deb\s+(\[[^]]*\]\s+)?\S+\s+{suite.pattern}\s", line)
    ]
    if not stanzas and not lines:
        raise LabMissing(f"no apt source of this machine offers {codename}")
    return (".sources", "\n\n".join(stanzas) + "\n") if stanzas else (".list", "\n".join(lines) + "\n")


def _offers(stanza: str, suite: re.Pattern[str]) -> bool:
    fields = dict(_fields(stanza))
    return (
        "deb" in fields.get("types", "").split()
        and fields.get("enabled", "yes") != "no"
        and any(suite.fullmatch(word) for word in fields.get("suites", "").split())
    )


def _fields(stanza: str) -> Iterator[tuple[str, str]]:
    for line in stanza.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith(("#", " ", "\t")):
            yield name.strip().lower(), value.strip()
