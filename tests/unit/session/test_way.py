from runbook.events import fact as f
from runbook.session.way import changed_with


def begun(target: str) -> f.OperationIntended:
    return f.OperationIntended(step="act", target=target, attempt=1, operation="run")


def test_a_host_is_known_by_the_key_that_it_had_at_the_last_change() -> None:
    facts = (
        f.TargetMet(target="a", place="deploy@a", host_key="first"),
        f.TargetMet(target="only-met", place="deploy@b", host_key="other"),
        begun("a"),
        begun("local"),
        f.LeaseClaimed(target="a", host_key="met later, and nothing was changed"),
        f.LeaseClaimed(target="only-met"),
    )

    assert changed_with(facts) == {"a": "first"}
    assert changed_with((*facts, begun("a"))) == {"a": "met later, and nothing was changed"}
