"""What a channel keeps until it is read."""

from __future__ import annotations

from threading import Event

import pytest
from paramiko.buffered_pipe import PipeTimeout

from runbook.transports.ssh.pipe import Pipe


def test_parts_are_read_in_order_and_no_more_at_once_than_is_asked_for() -> None:
    pipe = Pipe(Event())
    for part in (b"abc", b"de", b"fghij"):
        pipe.feed(part)

    assert (len(pipe), pipe.read_ready()) == (10, True)
    assert [pipe.read(5), pipe.read(3), pipe.read(8)] == [b"abcde", b"fgh", b"ij"]
    assert not pipe.read_ready()


def test_the_reader_is_woken_by_a_part_and_by_the_end_alone() -> None:
    wake = Event()
    pipe = Pipe(wake)

    pipe.feed(b"")
    assert not wake.is_set()
    with pytest.raises(PipeTimeout):
        pipe.read(1)
    pipe.feed(b"x")
    assert wake.is_set()
    wake.clear()
    pipe.close()
    assert wake.is_set()
    assert [pipe.read(9), pipe.read(9)] == [b"x", b""]
