"""The secret as a value: a string that does not slip into a log, a message, a pickle or a record by accident.

Owns hiding and comparing. Where secrets come from, and the masking of text that holds them, lie elsewhere.
"""

import hashlib
import hmac
from typing import Any, NoReturn, final

SHOWN = "«secret»"
"""What a secret looks like wherever it is printed."""


def raw(text: str) -> bytes:
    """Return the bytes of `text` as a process would write them; bytes that came in undecodable come out the same."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@final
class Secret:
    """A string that only `unmask` gives away."""

    __slots__ = ("__value",)

    __value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a secret is made of a str, not of {type(value).__name__}")
        object.__setattr__(self, "_Secret__value", value)

    def unmask(self) -> str:
        """Return the value itself; for the moment of use only."""
        return self.__value

    def fingerprint(self, salt: bytes) -> str:
        """Return a keyed hash (HMAC-SHA256, hex) that tells whether two secrets are the same, and no more.

        Raises:
            ValueError: `salt` is empty; without one, short secrets could be guessed from their hash.
        """
        if not salt:
            raise ValueError("a fingerprint needs a salt; short secrets could be guessed from a plain hash")
        return hmac.new(salt, raw(self.__value), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return SHOWN

    def __format__(self, spec: str) -> str:
        return SHOWN

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(raw(self.__value), raw(other.__value))

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not stored; keep the reference to its source instead")
