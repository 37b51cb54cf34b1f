"""The contract of actions notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.actions.file_backup import BackupBefore, BackupResult, BackupWith, FileBackup
from runbook.errors import TransportError
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, StepPlan, Unknown, Verdict, Work
from runbook.ports.target import Cmd, Reader
from runbook.testing import Bench, Case, contract, tree


class InspectWrites(FileBackup):
    def inspect(self, w: BackupWith, t: Reader) -> Any:
        Path(f"{w.path}.seen").touch()
        return super().inspect(w, t)


class PlanIsSilent(FileBackup):
    def plan(self, w: BackupWith, b: BackupBefore) -> StepPlan:
        return StepPlan(" ")


class PlanWrites(FileBackup):
    def plan(self, w: BackupWith, b: BackupBefore) -> StepPlan:
        Path(f"{w.path}.planned").touch()
        return super().plan(w, b)


class VerifyIsAlwaysGood(FileBackup):
    def verify(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        return Verdict("good")


class ApplyHasNoOperation(FileBackup):
    def apply(self, w: BackupWith, b: BackupBefore, work: Work) -> BackupResult:
        Path(b.backup).write_bytes(Path(b.path).read_bytes())
        return BackupResult(b.path, b.backup, b.file.sha256, b.file.size)


class ApplyIgnoresDoubt(FileBackup):
    def apply(self, w: BackupWith, b: BackupBefore, work: Work) -> BackupResult:
        try:
            return super().apply(w, b, work)
        except TransportError:
            return BackupResult(b.path, b.backup, b.file.sha256, b.file.size)


class ApplyRepeats(FileBackup):
    """Appends, and so is seen when it is done twice, because settle does not see that it was done."""

    def apply(self, w: BackupWith, b: BackupBefore, work: Work) -> BackupResult:
        work.run("copy", Cmd(("sh", "-c", 'cat "$1" >> "$2"', "sh", b.path, b.backup)))
        return BackupResult(b.path, b.backup, b.file.sha256, b.file.size)

    def settle(self, w: BackupWith, b: BackupBefore, o: OpenOp, t: Reader) -> Settlement:
        return NotDone()


class SettleKnowsNothing(FileBackup):
    def settle(self, w: BackupWith, b: BackupBefore, o: OpenOp, t: Reader) -> Settlement:
        return Unknown()


class SettleHopes(FileBackup):
    def settle(self, w: BackupWith, b: BackupBefore, o: OpenOp, t: Reader) -> Settlement:
        return Done({})


class DriftIsBlind(FileBackup):
    def drift(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        return Verdict("good")


class DriftNeedsTheResult(FileBackup):
    def drift(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        return self.verify(w, b, r, t)


class UndoDoesNothing(FileBackup):
    def undo(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, work: Work) -> None:
        pass

    def undone(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        return Verdict("good")


class UndoAsksNobody(FileBackup):
    def undo(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, work: Work) -> None:
        work.run("remove", Cmd(("rm", "-f", "--", b.backup)))


class UndoIsDoneTwice(FileBackup):
    def settle(self, w: BackupWith, b: BackupBefore, o: OpenOp, t: Reader) -> Settlement:
        return NotDone() if o.intent["do"] == "remove" else super().settle(w, b, o, t)


@pytest.mark.parametrize(
    ("action", "check"),
    [
        (InspectWrites, contract.inspect_changes_nothing),
        (PlanIsSilent, contract.plan_is_pure),
        (PlanWrites, contract.plan_is_pure),
        (VerifyIsAlwaysGood, contract.apply_is_verified),
        (ApplyHasNoOperation, contract.apply_is_verified),
        (ApplyIgnoresDoubt, contract.a_lost_answer_is_doubt),
        (ApplyRepeats, contract.a_crash_in_apply_is_settled),
        (SettleKnowsNothing, contract.a_crash_in_apply_is_settled),
        (SettleHopes, contract.a_crash_in_apply_is_settled),
        (DriftIsBlind, contract.undo_spares_the_work_of_others),
        (DriftNeedsTheResult, contract.a_torn_apply_can_be_undone),
        (UndoDoesNothing, contract.undo_leads_back),
        (UndoAsksNobody, contract.undo_spares_the_work_of_others),
        (UndoIsDoneTwice, contract.a_crash_in_undo_is_settled),
    ],
)
def test_a_faulty_action_is_noticed_by_the_check_that_is_meant_for_it(
    action: type[FileBackup], check: Callable[[contract.Make], None], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        check(maker(action, tmp_path))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_a_sound_action_passes(check: Callable[[contract.Make], None], tmp_path: Path) -> None:
    check(maker(FileBackup, tmp_path))


def maker(action: type[FileBackup], tmp_path: Path) -> contract.Make:
    numbers = iter(range(1000))

    def make() -> Case:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        (folder / "x").write_text("one")

        def meddle() -> None:
            next(folder.glob("x.runbook-*")).write_text("theirs")

        w = msgspec.convert({"path": f"{folder}/x"}, BackupWith)
        return Case(action(), w, Bench(), lambda: tree(folder), meddle)

    return make
