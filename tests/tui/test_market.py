"""The market screen over lists on disk, with no backend to answer."""

from __future__ import annotations

import pytest
from market_world import HOUR, NOWHERE, frame, item, market, names, running, signed_in, stock, until

from lunalux_core.config.paths import Paths
from lunalux_core.ids import now_ms
from lunalux_tui.market.details_dialog import MarketDetails

EN = [
    item(1, "Mirelle", "Keeps the last flame of a drowned city.", ["Fantasy", "original"]),
    item(2, "Sol Varga", "Smuggler and terrible cook.", ["Sci-fi"]),
    item(3, "Night Nurse", "Only after midnight.", ["NSFW", "Romance"]),
    item(4, "Marigold", "Village witch, owed by everyone.", ["Fantasy", "Comedy", "Daily life", "Rain"]),
]
ZH = [
    item(11, "陆听雪", "北境守夜人，怀里藏着一只猫。", ["古风"]),
    item(12, "林晚灯", "夜市尽头卖灯的姑娘。", ["日常"]),
]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_API_URL", NOWHERE)


async def test_backend_down_shows_the_last_list_with_its_age(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN}, clock=lambda: now_ms() - 3 * HOUR)
    await signed_in(paths)
    async with market() as (screen, pilot):
        await until(pilot, lambda: bool(screen.head.trouble))
        assert await names(screen, pilot) == ["Mirelle", "Sol Varga", "Marigold"]
        await until(pilot, lambda: all(words in frame(screen.app) for words in ("as of 3 h ago", "offline")))


async def test_nothing_on_disk_and_no_backend_says_what_to_do(paths: Paths) -> None:
    await signed_in(paths)
    async with market() as (screen, pilot):
        await until(pilot, lambda: bool(screen.head.trouble))
        await until(pilot, lambda: "cannot be reached" in frame(screen.app))
        await until(pilot, lambda: "r tries again" in frame(screen.app))


async def test_search_answers_while_typing(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN, ("zh", "hot"): ZH})
    async with market() as (screen, pilot):
        await pilot.press("slash", *"wit")
        await until(pilot, lambda: [card.name for card in screen.grid.cards] == ["Marigold"])
        assert await names(screen, pilot, "DROWNED flame") == ["Mirelle"]
        assert await names(screen, pilot, "nobody at all") == []
        await until(pilot, lambda: "Nothing found for “nobody at all”" in frame(screen.app))
        await pilot.press("escape")
        assert len(await names(screen, pilot)) == 3
        await pilot.press("z")
        assert await names(screen, pilot, "猫") == ["陆听雪"]


async def test_filters_leave_out(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with market() as (screen, pilot):
        assert "Night Nurse" not in await names(screen, pilot)
        await pilot.press("n")
        assert "Night Nurse" in await names(screen, pilot)
        await pilot.press("n")
        assert await names(screen, pilot) == ["Night Nurse"]
        await pilot.press("n", "o")
        assert await names(screen, pilot) == ["Mirelle"]
        await pilot.press("o", "t")
        await until(pilot, lambda: screen.app.screen is not screen)
        await pilot.press(*"comedy")
        await pilot.press("enter")
        await until(pilot, lambda: screen.app.screen is screen)
        assert await names(screen, pilot) == ["Marigold"]
        await until(pilot, lambda: "#Comedy" in frame(screen.app))
        await pilot.press("escape")
        assert len(await names(screen, pilot)) == 3


async def test_a_language_never_shows_the_cards_of_the_other(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN, ("zh", "hot"): ZH, ("zh", "new"): ZH[::-1]})
    async with market() as (screen, pilot):
        await pilot.press("z")
        assert await names(screen, pilot) == ["陆听雪", "林晚灯"]
        await pilot.press("s")
        assert await names(screen, pilot) == ["林晚灯", "陆听雪"]
        await pilot.press("z")
        assert "Mirelle" in await names(screen, pilot)
        assert screen.sort == "hot"
        await pilot.press("z")
        assert screen.sort == "new"
        assert {card.language for card in screen.grid.cards} <= {"en", "zh"}
        assert await names(screen, pilot) == ["林晚灯", "陆听雪"]
    async with market() as (screen, pilot):
        assert (screen.lang, screen.sort) == ("zh", "new")


@pytest.mark.parametrize(("width", "columns"), [(24, 1), (40, 1), (80, 2), (120, 3), (160, 4), (240, 4)])
async def test_columns_follow_the_width(paths: Paths, width: int, columns: int) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with market((width, 24)) as (screen, pilot):
        assert screen.grid.columns == columns
        await pilot.press("down", "down", "right", "left", "up")
        assert all(line.rstrip() or True for line in frame(screen.app).splitlines())


async def test_cards_come_in_pages_until_the_last(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): [item(n, f"Number {n}") for n in range(200)]})
    async with market((120, 40)) as (screen, pilot):
        assert len(screen.grid.cards) < 200
        for _ in range(6):
            await pilot.press("end")
            await until(pilot, lambda: not screen.grid.waiting)
        assert [card.name for card in screen.grid.cards] == [f"Number {n}" for n in range(200)]
        await until(pilot, lambda: "Number 199" in frame(screen.app))
        await pilot.press("home")
        await until(pilot, lambda: "Number 0" in frame(screen.app))


async def test_search_results_come_in_pages_too(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): [item(n, f"Moth {n}") for n in range(150)]})
    async with market((80, 24)) as (screen, pilot):
        first = await names(screen, pilot, "moth")
        assert 0 < len(first) < 150
        screen.grid.focus()
        for _ in range(6):
            await pilot.press("end")
            await until(pilot, lambda: not screen.grid.waiting)
        assert len(screen.grid.cards) == 150


HOSTILE = (
    "[bold red]Mark[/]up [link=https://x]y[/link]",
    "\x1b[2J\x1b]0;owned\x07Escape\x9b31m",
    "bidi \u202egnp.exe\u2066",
    "x" * 50_000,
    "\u0301\u0301\u0301combining",
    "\n\n\nlines\r\n",
    "👩‍👩‍👧‍👦 family 🇩🇪",
    "",
)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_strangers_words_stay_words(paths: Paths, size: tuple[int, int]) -> None:
    cards = [item(n, text, text * 3, [text[:60] or "-", "b", "c"]) for n, text in enumerate(HOSTILE)]
    await stock(paths, {("en", "hot"): cards})
    async with market(size) as (screen, pilot):
        await until(pilot, lambda: "[bold red]Mark" in frame(screen.app))
        for _ in HOSTILE:
            shown = frame(screen.app)
            assert not set(shown) & set("\x1b\x07\x9b\u202e\u2066\r")
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(screen.app.screen, MarketDetails))
            shown = frame(screen.app)
            assert not set(shown) & set("\x1b\x07\x9b\u202e\u2066\r")
            await pilot.press("escape")
            await until(pilot, lambda: screen.app.screen is screen)
            await pilot.press("right")


async def test_details_show_everything_and_walk(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with market((100, 30)) as (screen, pilot):
        await pilot.press("end", "enter")
        await until(pilot, lambda: isinstance(screen.app.screen, MarketDetails))
        await until(
            pilot, lambda: all(words in frame(screen.app) for words in ("owed by everyone", "#Rain", "♥ 4"))
        )
        await pilot.press("left")
        await until(pilot, lambda: "terrible cook" in frame(screen.app))
        await pilot.press("escape")
        assert screen.grid.current is not None and screen.grid.current.name == "Sol Varga"


async def test_words_change_with_the_language_of_the_program(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN})
    async with market() as (screen, pilot):
        screen.lunalux.switch_language("zh")
        await until(pilot, lambda: "市场  ● 热门" in frame(screen.app))
        await until(pilot, lambda: "Mirelle" in frame(screen.app))  # the list's language is another matter


async def test_every_action_has_words_and_reaches_the_palette(paths: Paths) -> None:
    from lunalux_tui import i18n
    from lunalux_tui.account import coupon_dialog, sign_in_dialog, username_dialog
    from lunalux_tui.account.screen import AccountScreen
    from lunalux_tui.actions import actions_of
    from lunalux_tui.market import publish_dialog
    from lunalux_tui.market.screen import MarketScreen

    dialogs = (
        coupon_dialog.CouponDialog,
        publish_dialog.PublishDialog,
        sign_in_dialog.SignInDialog,
        username_dialog.ForcedUsernameDialog,
    )
    for language in i18n.LANGUAGES:
        i18n.use(language)
        for action in actions_of(
            MarketScreen, MarketDetails, AccountScreen, username_dialog.UsernameDialog, *dialogs
        ):
            assert i18n.has(f"action.{action.id}.label"), action.id
            assert i18n.has(f"action.{action.id}.help"), action.id
            assert i18n.has(f"group.{action.group}"), action.group
    i18n.use("en")
    async with running() as (app, pilot):
        app.action_go("market")
        await until(pilot, lambda: isinstance(app.screen, MarketScreen))


async def test_the_mouse_does_what_the_keys_do(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): EN, ("en", "new"): EN[::-1]})
    async with market((100, 30)) as (screen, pilot):
        head = next(line for line in frame(screen.app).splitlines() if "Hot" in line)
        await pilot.click("MarketHead", offset=(head.index("New"), 0))
        assert (await names(screen, pilot))[0] == "Marigold"
        assert screen.sort == "new"
        await pilot.click("MarketFilters", offset=(3, 0))
        assert "Night Nurse" in await names(screen, pilot)
        await pilot.click("MarketGrid", offset=(60, 1))
        assert screen.grid.cursor == 1
        await pilot.click("MarketGrid", offset=(60, 1))
        await until(pilot, lambda: isinstance(screen.app.screen, MarketDetails))


async def test_a_list_that_was_fetched_anew_keeps_the_place(paths: Paths) -> None:
    await stock(paths, {("en", "hot"): [item(n, f"Number {n}") for n in range(100)]})
    async with market((80, 24)) as (screen, pilot):
        for _ in range(10):
            await pilot.press("down")
        chosen = screen.grid.current
        top = screen.grid.scroll_offset.y
        assert chosen is not None and top > 0
        await stock(
            paths, {("en", "hot"): [item(200, "Newcomer"), *(item(n, f"Number {n}") for n in range(100))]}
        )
        screen.lists.show(keep=True)
        await until(pilot, lambda: screen.grid.cards[0].name == "Newcomer")
        assert screen.grid.current == chosen
