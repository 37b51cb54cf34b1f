"""Questions on their sheets: what is shown, what a key does, and what becomes an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, Static
from textual.widgets._toast import Toast

from runbook.engine.question import ABORT, PAUSE, SKIP
from runbook.events.state import RunState
from runbook.model.playbook import Param
from runbook.model.question import Answer, Choice, NoAnswer, Preview, Question
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.dialogs.question import sheet_for
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.dialogs.sheet import Sheet
from runbook.tui.look import Look
from runbook.tui.presenter.sheet import Offer, offer_rows, offers
from runbook.tui.theme import DARK, THEMES
from runbook.tui.widgets.choice_menu import ChoiceMenu
from runbook.tui.widgets.key_bar import KeyBar
from runbook.tui.widgets.page import Page
from tests.tui import scenes
from tests.tui.canned import holds

STYLES = Path(__file__).parents[2] / "runbook/tui/global.tcss"


class Table(App[None]):
    """Somewhere to lay a sheet on."""

    CSS_PATH = STYLES

    def __init__(self, question: Question, *, deaf: float = 0.0, state: RunState | None = None) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        self._question = question
        self._deaf = deaf
        self._state = state or RunState()
        self.answers: list[Answer | NoAnswer | None] = []

    def on_mount(self) -> None:
        """Lay it down."""
        self.push_screen(sheet_for(self._question, Look(), self._state, self._deaf), self.answers.append)

    @property
    def sheet(self) -> Sheet:
        """The sheet that lies there."""
        return next(screen for screen in self.screen_stack if isinstance(screen, Sheet))


def failed(**more: object) -> Question:
    return Question(
        id="failure/restart",
        kind="failure",
        title="Restart failed. Nothing runs now",
        step="restart",
        places=("order-2",),
        evidence=("order-2: failed: [/dev/sda1] \x1b[2Jgone",),
        choices=(Choice("retry", "retry", key="r"), Choice("edit", "edit", key="e"), SKIP, PAUSE, ABORT),
        safe="pause",
        **more,  # type: ignore[arg-type]
    )


DESTRUCTIVE = Question(
    id="confirm/drop",
    kind="confirm",
    title="drop is destructive",
    step="drop",
    places=("h1", "h2", "h3"),
    previews=tuple(Preview(host, "Deletes all.", ("rm -rf /x",)) for host in ("h1", "h2", "h3")),
    choices=(Choice("confirm", "run it", typed="app 3"), SKIP, PAUSE, ABORT),
    safe="pause",
)


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


def text_of(app: Table) -> str:
    """Return all that the sheet says."""
    words = [str(part.content) for part in app.screen.query(Static)]
    return "\n".join([*words, *(str(page.render()) for page in app.screen.query(Page))])


async def test_enter_takes_the_safe_choice() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "enter")

    assert app.answers == [Answer(choice="pause")]


async def test_a_choice_is_taken_by_its_own_key_and_a_capital_is_another_key() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "A")

    assert app.answers == [Answer(choice="abort")]


async def test_what_was_typed_ahead_is_no_answer() -> None:
    app = Table(failed(), deaf=3600.0)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "r", "A", "enter")

        assert (app.answers, isinstance(app.screen, Sheet)) == ([], True)


async def test_a_second_key_right_behind_a_choice_is_no_other_choice() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for key in ("s", "A", "enter"):
            app.post_message(Key(key, None if key == "enter" else key))
        await holds(pilot, lambda: isinstance(app.screen, ReasonSheet))
        await pilot.pause()

        assert (app.answers, len(app.screen_stack)) == ([], 3)


async def test_a_reason_goes_with_the_answer_and_without_one_nothing_is_done() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "s", "enter")
        told = text_of(app)
        await press(pilot, *"known", "enter")

    assert "Without a reason nothing is done." in told
    assert app.answers == [Answer(choice="skip", reason="known")]


async def test_leaving_the_reason_leads_back_to_the_choices() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "s", "escape")

        assert (app.answers, isinstance(app.screen, Sheet)) == ([], True)


async def test_escape_leaves_the_question_open() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "escape")

    assert app.answers == [None]


async def test_what_is_told_in_passing_covers_neither_the_choices_nor_what_is_asked() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        app.notify("What runs comes to its end, then the run pauses; and this takes two rows.", markup=False)
        await holds(pilot, lambda: bool(app.screen.query(Toast)) and app.screen.query_one(Toast).region.height == 2)

        told = app.screen.query_one(Toast).region
        for part in (ChoiceMenu, KeyBar, "#prompt"):
            assert not told.overlaps(app.screen.query_one(part).region)
        assert told.y == 1


async def test_words_of_hosts_lie_in_the_well_harmlessly() -> None:
    app = Table(failed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = app.screen.query_one(Page).render()
        well = "".join(shown.plain[span.start : span.end] for span in shown.spans if "$well" in str(span.style))
        told = text_of(app)

    assert "[/dev/sda1]" in well
    assert "\x1b" not in told


async def test_a_destructive_step_wants_target_and_host_count_and_enter_is_dead_before() -> None:
    app = Table(DESTRUCTIVE)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.sheet.query_one(ChoiceMenu).offer.id == "pause"
        await press(pilot, "1", *"app", "enter")
        missing = text_of(app)
        still_open = isinstance(app.screen, PromptSheet)
        await press(pilot, "space", "3", "enter")

    assert "host count is missing" in missing
    assert still_open
    assert app.answers == [Answer(choice="confirm", values={"typed": "app 3"})]


@pytest.mark.parametrize("final", [True, False])
async def test_what_cannot_be_taken_back_is_read_to_its_end_before_it_is_approved(final: bool) -> None:
    back = "Way back: none: it is wanted" if final else "Way back: made again"
    app = Table(
        Question(
            id="approve/long",
            kind="approve",
            title="Approve it",
            step="long",
            places=("h1",),
            previews=tuple(Preview("h1", f"Deletes part {n}.", ("rm -rf /x",), notes=(back,)) for n in range(9)),
            choices=(Choice("approve", "approve exactly what is shown", key="y"), PAUSE, ABORT),
            safe="pause",
        )
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: "more lines: PgDn" in text_of(app))
        await pilot.press("y")
        if final:
            await holds(pilot, lambda: "more lines to read first: PgDn" in text_of(app))
            await holds(pilot, lambda: app.sheet.query_one(ChoiceMenu).offer.id == "pause")
            await press(pilot, *["pagedown"] * 9, "pageup")
            await holds(pilot, lambda: "more lines: PgDn" in text_of(app))
            assert app.answers == []
            await pilot.press("y")
        await holds(pilot, lambda: app.answers == [Answer(choice="approve")])


async def test_hosts_with_the_same_plan_are_shown_together() -> None:
    app = Table(DESTRUCTIVE)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = text_of(app)

    assert shown.count("rm -rf /x") == 1
    assert "h1  h2  h3" in shown


async def test_a_form_checks_while_it_is_typed_and_goes_to_the_value_that_is_not_good() -> None:
    form = Question(
        id="form/who",
        kind="form",
        title="Who is told?",
        step="who",
        places=("*",),
        fields={"channel": Param(required=True), "minutes": Param(type="int", default=5)},
        choices=(Choice("answer", "go on", key="a"), PAUSE),
        safe="pause",
    )
    app = Table(form)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "a", *"ops", "tab", "x")
        told = text_of(app)
        await press(pilot, "backspace", "enter")

    assert "minutes" in told
    assert app.answers == [Answer(choice="answer", values={"channel": "ops", "minutes": 5})]


async def test_a_secret_is_not_shown() -> None:
    secret = Question(
        id="secret/pass",
        kind="secret",
        title="The value of pass",
        fields={"pass": Param(type="secret", required=True)},
        choices=(Choice("answer", "use this value", key="a"), PAUSE),
        safe="pause",
    )
    app = Table(secret)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "a", *"s3cret")
        shown = app.export_screenshot()
        hidden = app.screen.query_one(Input).password
        await press(pilot, "enter")

    assert ("s3cret" in shown, hidden) == (False, True)
    assert app.answers == [Answer(choice="answer", values={"pass": "s3cret"})]


@pytest.mark.parametrize(("keys", "values"), [(("enter",), {}), ((*"INC", "enter"), {"evidence": "INC"})])
async def test_evidence_of_a_manual_step_may_be_left_out(keys: tuple[str, ...], values: dict[str, str]) -> None:
    manual = Question(
        id="manual/freeze",
        kind="manual",
        title="To be done by hand",
        step="freeze",
        places=("*",),
        body="Stop the **automation**.",
        choices=(Choice("done", "done: it is as the text says", key="d"), SKIP, PAUSE),
        safe="pause",
    )
    app = Table(manual)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "d", *keys)

    assert app.answers == [Answer(choice="done", values=values)]  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(80, 24), (60, 12), (40, 9)])
async def test_the_choice_in_focus_is_in_sight_at_every_size(size: tuple[int, int]) -> None:
    app = Table(failed())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.pause()
        menu = app.sheet.query_one(ChoiceMenu)
        for key, name in (("home", "retry"), ("end", "abort")):
            await pilot.press(key)
            await pilot.pause()
            rows = [strip.text for strip in menu.render_lines(menu.size.region)]

            assert [row for row in rows if "▌" in row and name in row]
            assert menu.region.bottom <= size[1] - 1


@pytest.mark.parametrize(
    ("places", "named", "excluded"),
    [
        (("web-15",), "1 host: web-15", "exclude web-15"),
        (tuple(f"web-{n}" for n in range(11, 21)), "10 hosts: web-[11-20]", "exclude web-[11-20]"),
        (tuple(f"web-{n}" for n in range(11, 31, 2)), "10 hosts (web-11, web-13, …)", "exclude 10 hosts"),
    ],
)
def test_choices_about_many_hosts_stay_short(places: tuple[str, ...], named: str, excluded: str) -> None:
    choices = (
        Choice("retry_failed", "retry failed hosts", key="f"),
        Choice("exclude", "exclude", key="x", reason=True),
    )
    retry, exclude = offers(replace(failed(), places=places, choices=choices), RunState())
    assert (retry.price, exclude.name) == (named, excluded)


def test_a_long_choice_goes_on_below_itself_and_nothing_of_it_is_cut() -> None:
    long = Offer("undo", "u", "undo this step", "git -C /opt/config checkout 131babbffce4 -- db-config.yaml")
    rows = ["".join(text for text, _ in row) for row in offer_rows(long, 1, 52, 20)]
    assert rows == [
        " u  undo this step        git -C /opt/config",
        "                          checkout 131babbffce4 --",
        "                          db-config.yaml",
    ]
    bare = Offer("east", "", "Send all orders to the eastern shop until the western one is well", "")
    rows = ["".join(text for text, _ in row) for row in offer_rows(bare, 3, 40, 12)]
    assert rows == [" 3  Send all orders to the eastern shop", "    until the western one is well"]


@pytest.mark.parametrize("size", [(80, 24), (60, 16)])
async def test_a_long_choice_is_in_sight_whole_when_it_has_the_focus(size: tuple[int, int]) -> None:
    words = " ".join(f"word{n}" for n in range(18))
    asked = replace(failed(), kind="choose", choices=(*(Choice(f"o{n}", f"{words} {n}") for n in range(3)), PAUSE))
    app = Table(asked)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.pause()
        menu = app.sheet.query_one(ChoiceMenu)
        for key, end in (("home", "word17 0"), ("down", "word17 1"), ("end", "resume any time")):
            await pilot.press(key)
            await pilot.pause()
            assert end in " ".join(" ".join(strip.text for strip in menu.render_lines(menu.size.region)).split())


def test_an_abort_says_what_it_leaves() -> None:
    price = {offer.id: offer.price for offer in offers(failed(), RunState())}
    assert price["abort"] == "ends the run; nothing was changed"
    price = {offer.id: offer.price for offer in offers(failed(), scenes.running().state)}
    assert price["abort"] == "ends the run; undo stays open"
