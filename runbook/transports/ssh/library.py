"""The loading of paramiko, as late as possible and without what is not used.

The package reads its own version, for which Python loads its library for mail, and brings a client, SFTP and, if it is
installed, `invoke` with it: together more than a third of the time that loading takes. Only the parts that are named by
this package are loaded; whoever asks the package itself for a name gets all of it, as if it had been loaded at once.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

_UNUSED = "invoke"
_loading = RLock()


def load() -> None:
    """Load the connection of paramiko unless it is there; called before anything else of this package needs it."""
    # It is there with its class, not with its name: that comes first, and who saw it would go on with half of it.
    if hasattr(sys.modules.get("paramiko.transport"), "Transport"):
        return
    with _loading:
        if _UNUSED in sys.modules or "paramiko" in sys.modules:
            return
        sys.modules["paramiko"] = package = _empty("paramiko")
        sys.modules[_UNUSED] = None  # type: ignore[assignment]  # how an import is told that there is no such module
        # A connection greets with the version, where ours has a word of its own.
        vars(package)["__version__"] = "?"
        try:
            import paramiko.transport  # noqa: F401
        finally:
            del sys.modules[_UNUSED]
            del vars(package)["__version__"]
            vars(package)["__getattr__"] = lambda name: _whole(package, name)
        # What it logs by itself holds words of the other side and traces, and would pass every border to the terminal.
        logger = logging.getLogger("paramiko")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _empty(name: str) -> ModuleType:
    """Return a package whose own code has not run."""
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(name, name=name)
    return module_from_spec(spec)


def _whole(package: ModuleType, name: str) -> Any:
    """Run the code of a package that is asked for a name it does not have yet (PEP 562), and return what it names."""
    with _loading:
        if vars(package).pop("__getattr__", None) is not None:
            assert package.__spec__ is not None
            assert package.__spec__.loader is not None
            package.__spec__.loader.exec_module(package)
    return getattr(package, name)
