"""The wrapper's own lines in the streams of a command."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runbook.transports.ssh.output import Gathered, JobOutput

PIECES = st.lists(
    st.sampled_from([b"runbook-job ended ", b"runbook-", b"0 exit\n", b"143 timeout\n", b"\n", b"x", b"runbook-job "])
    | st.binary(max_size=30),
    max_size=12,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


@given(pieces=PIECES, places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_the_output_comes_whole_wherever_it_is_cut_and_whatever_it_says(pieces: list[bytes], places: list[int]) -> None:
    said = b"".join(pieces)
    sink = Gathered()
    output = JobOutput(sink)
    for part in cut(b"welcome to bash\nrunbook-job started pid=1 store=disk\n" + said, places):
        output.take("out", part)
    for part in cut(said + b"runbook-job ended 143 timeout\n", places):
        output.take("err", part)

    assert output.end() == (143, "timeout")
    assert (sink.out, sink.err) == (said, said)
    assert output.passed == {"out": len(said), "err": len(said)}


@given(pieces=PIECES, places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_without_a_last_line_nothing_is_lost(pieces: list[bytes], places: list[int]) -> None:
    said = b"".join(pieces) + b"!"
    sink = Gathered()
    output = JobOutput(sink)
    output.take("out", b"runbook-job started pid=1\n")
    for part in cut(said, places):
        output.take("err", part)

    assert output.end() is None
    assert sink.err == said


def test_a_line_that_could_not_be_the_last_is_passed_on_at_once() -> None:
    sink = Gathered()
    output = JobOutput(sink)

    output.take("err", b"warning: run")
    assert sink.err == b"warning: "
    output.take("err", b"ning late")
    assert sink.err == b"warning: running late"


def test_a_refusal_is_read() -> None:
    output = JobOutput(Gathered())

    output.take("out", b"runbook-job refused claimed\n")

    assert output.greeting is not None
    assert (output.greeting.started, output.greeting.why) == (False, "claimed")
