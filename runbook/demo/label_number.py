"""The numbers of the labels and what they mean; `runbook.demo.number` puts them beside those of the orders."""

from __future__ import annotations

import msgspec

from runbook.demo.metric import Samples

RATE = 10.0
"""Labels per second that are printed."""
LEAST_RATE = 0.85 * RATE


class Labels(msgspec.Struct, frozen=True):
    """What the label service says, over the last three seconds."""

    labels_per_s: float
    misread: int
    """Labels whose check number the scanner did not confirm, since the service was started."""


def make_labels(samples: Samples) -> Labels | None:
    """Put the samples of the page together; None if the service does not answer."""
    if "labels_per_second" not in samples:
        return None
    return Labels(labels_per_s=samples["labels_per_second"], misread=int(samples.get("labels_misread_total", 0)))


def prints(labels: Labels | None) -> bool:
    """Tell whether labels are printed at the usual rate, and all can be read."""
    return labels is not None and labels.labels_per_s >= LEAST_RATE and labels.misread == 0
