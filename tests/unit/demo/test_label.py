import binascii
import sys
from pathlib import Path

import pytest

from runbook.demo.label import Printer
from runbook.demo.label_number import Labels, make_labels, prints
from runbook.demo.metric import parse
from runbook.demo.symbol import without


def test_labels_that_the_scanner_confirms_are_not_counted_as_misread() -> None:
    printer = Printer(binascii.crc32, 1.0)

    for number in range(30):
        printer.print_one(number)

    samples = parse(printer.registry.render())
    # At one label a second only those of the last twelve are remembered.
    assert make_labels(samples) == Labels(labels_per_s=4.0, misread=0)
    assert samples["labels_printed_total"] == 30


def test_a_wrong_check_number_is_noticed() -> None:
    printer = Printer(lambda text: binascii.crc32(text) + 1, 10.0)

    printer.print_one(1)

    labels = make_labels(parse(printer.registry.render()))
    assert labels is not None
    assert labels.misread == 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(Labels(10.0, 0), True), (Labels(8.5, 0), True), (Labels(8.4, 0), False), (Labels(10.0, 1), False), (None, False)],
)
def test_labels_are_printed_at_the_usual_rate_and_can_be_read(labels: Labels | None, expected: bool) -> None:
    assert prints(labels) is expected


def test_a_service_that_does_not_answer_has_no_numbers() -> None:
    assert make_labels({}) is None


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x09", b"\x7fELF\x02\x01" + bytes(20)])
def test_what_is_no_elf_file_loses_no_function(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"ELF|section"):
        without(data, "f")


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: programs are no ELF files here")
def test_a_function_that_is_not_there_cannot_be_taken_away() -> None:
    with pytest.raises(LookupError, match="defines no no_such_function"):
        without(Path(sys.executable).read_bytes(), "no_such_function")
