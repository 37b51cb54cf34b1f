"""Secrets as values, and masking of all text that could hold them."""

from runbook.secret.mask import Masker
from runbook.secret.stream import MARKER, MaskStream
from runbook.secret.value import Secret

__all__ = ["MARKER", "MaskStream", "Masker", "Secret"]
