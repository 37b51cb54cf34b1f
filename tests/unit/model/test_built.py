"""Types are built by one thread before others read with them."""

from __future__ import annotations

import subprocess
import sys

# The process would die: msgspec shows a class to other threads while it still works it out.
READ_AT_ONCE = """
import sys, threading, typing, msgspec
from runbook.model.built import built

said = []
sys.setswitchinterval(1e-6)
for number in range(40):
    inner = msgspec.defstruct("Inner", [(f"f{n}", "int | None", None) for n in range(20)])
    empty = msgspec.field(default_factory=dict)
    outer = msgspec.defstruct("Outer", [(f"g{n}", dict[str, typing.Optional[inner]], empty) for n in range(20)])
    together = threading.Barrier(2)

    def read():
        together.wait()
        said.append(msgspec.json.decode(b'{"g19": {"a": {"f19": 1}}}', type=built(outer)).g19["a"].f19)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(sum(said))
"""


def test_threads_read_the_first_values_of_a_type_together() -> None:
    done = subprocess.run([sys.executable, "-c", READ_AT_ONCE], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "80\n", "")
