"""What the user screen draws: charts, meters, ages; and the account from disk with no backend."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_world import NOWHERE, frame, running, signed_in, until
from rich.cells import cell_len
from textual.pilot import Pilot

from lunalux_core.config.paths import Paths
from lunalux_tui.account.history_chart import Point, balances, bars, columns, steps
from lunalux_tui.account.screen import AccountScreen
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.market.publish_dialog import split_tags
from lunalux_tui.parts.amounts import DAY, HOUR, MINUTE, age, compact
from lunalux_tui.parts.panel import meter


def move(amount: int, at: str, **rest: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "createdAt": at,
        "currency": "star",
        "kind": "charge",
        "status": "SETTLED",
        **rest,
    }


def test_balances_are_counted_back_from_today() -> None:
    moves = [
        move(-5, "2026-11-03T10:00:00Z"),
        move(50, "2026-11-02T10:00:00Z"),
        move(-8, "2026-11-01T10:00:00Z"),
    ]
    assert [point.balance for point in balances(moves, "star", 137)] == [100, 92, 142, 137]
    assert balances(moves, "luna", 10) == []


def test_the_last_column_is_the_balance_of_today() -> None:
    points = [Point(0, 100), Point(1000, 40), Point(2000, 90)]
    assert columns(points, 10)[0] == 100
    assert columns(points, 10)[-1] == 90
    assert columns([Point(5, 7)], 4) == [7, 7, 7, 7]
    assert columns([Point(5, 100), Point(6, 150)], 4) == [100, 100, 150, 150]


def test_a_few_movements_are_a_line_and_no_slab() -> None:
    assert steps([4, 4, 0, 0], 3) == ["──╮ ", "  │ ", "  ╰─"]
    assert steps([7] * 5, 4) == ["─" * 5, " " * 5, " " * 5, " " * 5]
    assert steps([], 2) == ["", ""]


@given(st.lists(st.integers(0, 10**9), max_size=80), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_bars_keep_their_shape(values: list[int], height: int) -> None:
    lines = bars(values, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {len(values)}
    for column, value in enumerate(values):
        assert (lines[-1][column] != " ") == (value > 0)


@given(st.integers(0, 10**12))
@settings(max_examples=60, deadline=None)
def test_counts_fit_in_five_cells(number: int) -> None:
    assert len(compact(number)) <= 5 or number >= 10**12


def test_counts_and_ages_read_as_people_write_them() -> None:
    assert [compact(n) for n in (0, 999, 1000, 1234, 34_000, 5_600_000)] == [
        "0",
        "999",
        "1k",
        "1.2k",
        "34k",
        "5.6M",
    ]
    times = (10, MINUTE, 59 * MINUTE, 3 * HOUR, DAY, 400 * DAY)
    assert [age(0, then) for then in times] == [
        "now",
        "1 min ago",
        "59 min ago",
        "3 h ago",
        "1 day ago",
        "400 days ago",
    ]
    assert age(10_000, 0) == "now"  # a clock that was set back


@given(st.floats(-1, 2), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_meters_keep_their_width(share: float, width: int) -> None:
    full, empty = meter(share, width)
    assert cell_len(full + empty) == width


def test_tags_are_split_at_commas_of_every_script() -> None:
    assert split_tags(" #fantasy, slow burn，原创、猫；;fantasy,, ") == ("fantasy", "slow burn", "原创", "猫")


async def user(app: LunaluxApp, pilot: Pilot[None]) -> AccountScreen:
    app.action_go("user")
    await until(pilot, lambda: isinstance(app.screen, AccountScreen))
    screen = app.screen
    assert isinstance(screen, AccountScreen)
    return screen


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_API_URL", NOWHERE)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_backend_down_shows_the_last_account_with_its_age(paths: Paths, size: tuple[int, int]) -> None:
    await signed_in(paths)
    async with running(size) as (app, pilot):
        await user(app, pilot)
        await until(pilot, lambda: app.account is not None and app.account.offline)
        await until(pilot, lambda: "as of 3 h ago" in frame(app))
        await until(pilot, lambda: all(words in frame(app) for words in ("Offline", "★ 240", "☾ 62")))
        shown = frame(app)
        if size[0] == 120:
            for words in ("Mirelle_77", "mirelle@example.org", "7f3a9c1e", "Super Lux", "K7WD2M", "3/5"):
                assert words in shown
            assert "gained 650 · used 410" in shown


@pytest.mark.usefixtures("nowhere")
async def test_nobody_signed_in_is_one_sentence_and_a_way_out(paths: Paths) -> None:
    async with running((100, 30)) as (app, pilot):
        screen = await user(app, pilot)
        await until(pilot, lambda: "You are not signed in." in frame(app))
        await pilot.press("o")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press(*"me@example.org", "enter", *"long password", "enter")
        await until(pilot, lambda: "does not answer" in frame(app))
        await until(pilot, lambda: all(words in frame(app) for words in ("me@example.org", "•••")))


@pytest.mark.usefixtures("nowhere")
async def test_taken_over_is_one_sentence_and_nothing_is_lost(paths: Paths) -> None:
    await signed_in(paths, session=False, status="taken_over")
    async with running((100, 30)) as (app, pilot):
        await user(app, pilot)
        await until(pilot, lambda: "on another device" in frame(app))
        await until(
            pilot,
            lambda: all(words in frame(app) for words in ("Nothing is lost", "Mirelle_77", "[ Sign in ]")),
        )


@pytest.mark.usefixtures("nowhere")
async def test_hostile_names_stay_words(paths: Paths) -> None:
    nasty = "[red]\x1b[2J\u202eX[/]" + "y" * 50_000
    await signed_in(paths, username=nasty, email=nasty, user_id=nasty[:60])
    async with running((80, 24)) as (app, pilot):
        await user(app, pilot)
        await until(pilot, lambda: "[red]X[/]" in frame(app))
        assert not set(frame(app)) & set("\x1b\u202e")
