"""`lunalux market`: list, search, show, download, like, publish, and one's own cards: mine, edit, withdraw.

List and search answer from disk; with a warm cache they load neither an HTTP client nor the app.

See docs/spec/backend.md: HTTP API.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from lunalux_core.errors import InvalidInput, NetworkError, NotFound
from lunalux_tui.cli import output
from lunalux_tui.cli.plain_values import given
from lunalux_tui.cli.run import ask, command_settings, in_runtime, with_runtime
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_core.library.market_cache import Filters, MarketCard, Nsfw, Sort
    from lunalux_core.runtime import Runtime

market_app = typer.Typer(
    help="Browse, search, download, like, report and publish community characters; look after your own.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"market": market_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
LANG = typer.Option("", "--lang", help="en or zh; by default the language of the program.")
SORT = typer.Option("hot", "--sort", help="hot or new.")
LIMIT = typer.Option(50, "--limit", help="How many at most.", min=1, max=1_000_000)
REFRESH = typer.Option(False, "--refresh", help="Fetch first, also when the list on disk still stands.")
ID = typer.Argument(metavar="ID", help="Community id, as the lists show it.")
CHOICES = {"lang": ("en", "zh"), "sort": ("hot", "new"), "nsfw": ("include", "exclude", "only")}


@market_app.command("list")
@in_runtime
async def list_cards(
    runtime: Runtime,
    lang: str = LANG,
    sort: str = SORT,
    limit: int = LIMIT,
    refresh: bool = REFRESH,
    nsfw: str = typer.Option("", "--nsfw", help="include, exclude or only; by default the setting."),
    as_json: bool = JSON,
) -> None:
    """The community's characters: fetched when the list on disk has expired, else from disk.

    Example: lunalux market list --lang en --sort new --limit 20 --json
    """
    _check(lang=lang, sort=sort, nsfw=nsfw)
    language, order = _list(runtime, lang, sort)
    await _bring(runtime, language, order, limit, force=refresh)
    listing = await runtime.market.listing(language, order, _filters(runtime, nsfw, False, []), limit=limit)
    if listing.stored_at and not listing.fresh(_now()):
        output.say("as_known", age=_age(_now() - listing.stored_at))
    await _print(runtime, listing.cards, as_json=as_json)


@market_app.command()
@in_runtime
async def search(
    runtime: Runtime,
    query: str = typer.Argument(help="Words that must all be in name, intro, tags or creator."),
    lang: str = LANG,
    sort: str = SORT,
    tag: list[str] = typer.Option([], "--tag", help="Only with this tag; may be given several times."),
    nsfw: str = typer.Option("", "--nsfw", help="include, exclude or only; by default the setting."),
    original: bool = typer.Option(False, "--original", help="Only original characters."),
    limit: int = LIMIT,
    refresh: bool = REFRESH,
    as_json: bool = JSON,
) -> None:
    """Search the lists on disk; a list that was never fetched is fetched first.

    Example: lunalux market search "night market" --lang en --tag mystery --json
    """
    _check(lang=lang, sort=sort, nsfw=nsfw)
    language, order = _list(runtime, lang, sort)
    filters = _filters(runtime, nsfw, original, tag)
    # A list that has expired is searched as it is, also without a network; `market list` fetches.
    if refresh or not (await runtime.market.listing(language, order, limit=0)).stored_at:
        await runtime.market.refresh(language, order, force=True)
    cards = await runtime.market.search(query, language, order, filters, limit=limit)
    await _print(runtime, cards, as_json=as_json)


@market_app.command()
@in_runtime
async def show(runtime: Runtime, card_id: str = ID, as_json: bool = JSON) -> None:
    """One character of the lists on disk.

    Example: lunalux market show 5f0c… --json
    """
    card = await runtime.market.card(card_id)
    if as_json:
        liked = (await runtime.account.load()).liked
        output.print_json(_json(card, card.id in liked))
        return
    output.print_text(card.name)
    output.print_text(f"  id: {card.id}")
    if card.creator:
        output.print_text(f"  {output.heading('creator')}: {card.creator}")
    output.print_text(f"  {output.heading('tags')}: {', '.join(card.tags)}")
    numbers = t("cli.market_numbers", likes=card.likes, downloads=card.downloads, coins=card.coins)
    output.print_text(f"  {numbers}")
    output.print_text(f"\n{card.intro}")


@market_app.command()
@in_runtime
async def download(runtime: Runtime, card_id: str = ID, as_json: bool = JSON) -> None:
    """Download a character, import and bind it, and print its id in the library.

    Example: lunalux chat "$(lunalux market download 5f0c…)" -m "Hello"
    """
    with _naming(card_id):
        result = await runtime.market.download(card_id)
    if as_json:
        character = await runtime.library.characters.get(result.id)
        output.print_json(
            {
                "id": result.id,
                "name": result.name,
                "status": result.status,
                "market_id": card_id,
                "marketBinding": character.binding,
            }
        )
    else:
        output.print_text(result.id)
        output.say("downloaded", name=result.name)


@market_app.command()
@in_runtime
async def like(runtime: Runtime, card_id: str = ID, as_json: bool = JSON) -> None:
    """Like a character, once and for good. Without a network the like is kept and sent later.

    Example: lunalux market like 5f0c…
    """
    with _naming(card_id):
        sent = await runtime.market.like(card_id)
    if as_json:
        output.print_json({"id": card_id, "liked": True, "sent": sent})
    else:
        output.say("liked" if sent else "liked_later")


@market_app.command()
@in_runtime
async def publish(
    runtime: Runtime,
    path: Path = typer.Argument(help="A card file, or a folder with a manifest.json."),
    lang: str = typer.Option("", "--lang", help="Language of the character, en or zh."),
    intro: str = typer.Option("", "--intro", help="One or two sentences for the market."),
    tag: list[str] = typer.Option([], "--tag", help="Up to ten; may be given several times."),
    name: str = typer.Option("", "--name", help="Another name than the card's."),
    again: bool = typer.Option(False, "--again", help="In a batch: publish also what was published before."),
    as_json: bool = JSON,
) -> None:
    """Publish a card, or every card of a folder's manifest, and print the community id.

    Example: lunalux market publish mirelle.png --lang en --intro "A clockmaker who…" --tag mystery

    A manifest.json is an array of {"path", "lang", "intro", "tags", "name"}; what was published before is
    passed over, so that an interrupted batch is simply started again. With --json, a batch prints one line
    for each card and a summary.
    """
    from lunalux_tui.cli.publishing import publish_batch, publish_one

    _check(lang=lang)
    if path.is_dir():
        if await publish_batch(runtime, path, again=again, as_json=as_json):
            raise typer.Exit(output.PARTLY)
        return
    if not lang:
        raise InvalidInput("USAGE", "--lang is missing.", "Add --lang en or --lang zh.", kind="language")
    if not intro.strip():
        raise InvalidInput(
            "INTRO_REQUIRED",
            "A published character needs an intro.",
            "Add --intro with one or two sentences.",
        )
    row = await publish_one(runtime, path, cast("Language", lang), intro, tuple(tag), name)
    if as_json:
        output.print_json(row)
    else:
        output.print_text(row["id"])


@market_app.command()
@in_runtime
async def mine(runtime: Runtime, as_json: bool = JSON) -> None:
    """The characters you published, the newest first. Hidden ones are being looked at by the operators.

    Example: lunalux market mine --json
    """
    cards = await runtime.market.mine()
    if as_json:
        output.print_json([card.model_dump(by_alias=True, mode="json") for card in cards])
        return
    output.print_table(
        ["id", "name", "language", "status", "likes", "downloads", "tags", "intro"],
        [
            [
                card.id,
                card.name,
                card.language,
                card.status,
                card.liked_count,
                card.download_count,
                ", ".join(card.tags),
                card.intro or "",
            ]
            for card in cards
        ],
    )


@market_app.command()
@in_runtime
async def edit(
    runtime: Runtime,
    card_id: str = ID,
    intro: str | None = typer.Option(None, "--intro", help="Another intro."),
    tag: list[str] = typer.Option([], "--tag", help="The tags from now on; may be given several times."),
    as_json: bool = JSON,
) -> None:
    """Change intro or tags of a character you published; what is not given stays.

    Example: lunalux market edit 5f0c… --intro "A clockmaker who…" --tag mystery --tag night
    """
    if intro is None and not tag:
        raise InvalidInput(
            "USAGE", "There is nothing to change.", "Add --intro or --tag.", kind="market_edit"
        )
    # None leaves intro or tags as they are.
    with _naming(card_id):
        await runtime.market.edit(card_id, intro=intro, tags=tuple(tag) or None)
    if as_json:
        output.print_json({"id": card_id, **given(intro=intro, tags=tag or None)})
    else:
        output.say("market_edited")


@market_app.command()
def withdraw(
    card_id: str = ID,
    yes: bool = typer.Option(False, "--yes", help="Really do it, without a question."),
    as_json: bool = JSON,
) -> None:
    """Take a character you published out of the community, for good. Your library keeps it.

    Example: lunalux market withdraw 5f0c… --yes
    """
    if not yes:
        unasked = InvalidInput(
            "USAGE", "A withdrawn character cannot be put back.", "Repeat it with --yes.", kind="withdraw"
        )
        command_settings()  # the question is asked in the language of the settings
        ask(t("cli.withdraw_question", id=card_id), unasked=unasked, left="nothing_withdrawn")
    with _naming(card_id):
        with_runtime(lambda runtime: runtime.market.withdraw(card_id))
    if as_json:
        output.print_json({"id": card_id, "withdrawn": True})
    else:
        output.say("market_withdrawn")


@market_app.command()
@in_runtime
async def report(
    runtime: Runtime,
    card_id: str = ID,
    reason: str = typer.Option(..., "--reason", help="What is wrong with it, in a sentence."),
    as_json: bool = JSON,
) -> None:
    """Tell the operators of the community what is wrong with a character.

    Example: lunalux market report 5f0c… --reason "It shows a real person."
    """
    with _naming(card_id):
        await runtime.market.report(card_id, reason)
    if as_json:
        output.print_json({"id": card_id, "reported": True})
    else:
        output.say("market_reported")


@contextmanager
def _naming(card_id: str) -> Iterator[None]:
    """Name the character that the market does not have: its answer does not."""
    try:
        yield
    except NotFound as error:
        if error.code != "CHARACTER_NOT_FOUND":
            raise
        raise NotFound(
            error.code,
            f"There is no character {card_id!r} in the market.",
            "`lunalux market list --refresh` fetches its lists anew.",
            kind="market",
            name=card_id,
        ) from error


async def _bring(runtime: Runtime, lang: Language, sort: Sort, limit: int, *, force: bool) -> None:
    """Fetch what the list lacks. What is on disk is enough when the backend does not answer."""
    market = runtime.market
    try:
        await market.refresh(lang, sort, force=force)
        began = time.monotonic()
        while (count := await market.count(lang, sort)) < limit and await market.more(lang, sort):
            # Most lists are there within a second, and need no line about it.
            if time.monotonic() - began > 1:
                output.passing("so_far", n=count)
    except NetworkError as error:
        # What was asked for with --refresh must not come from disk,
        # and without a list there is nothing to show.
        if force or not await market.count(lang, sort):
            raise
        output.warn(error)
    finally:
        output.passing()


async def _print(runtime: Runtime, cards: Any, *, as_json: bool) -> None:
    liked = (await runtime.account.liked_ids()) if cards else frozenset()
    if as_json:
        output.print_json([_json(card, card.id in liked) for card in cards])
        return
    output.print_table(
        ["id", "", "name", "likes", "downloads", "tags", "intro"],
        [
            [c.id, "♥" if c.id in liked else "", c.name, c.likes, c.downloads, ", ".join(c.tags[:3]), c.intro]
            for c in cards
        ],
    )


def _json(card: MarketCard, liked: bool) -> dict[str, Any]:
    """The card with the spellings of the wire, and what this device adds."""
    return {
        "id": card.id,
        "name": card.name,
        "intro": card.intro,
        "tags": list(card.tags),
        "creator": card.creator or None,
        "language": card.language,
        "likedCount": card.likes,
        "downloadCount": card.downloads,
        "totalCoinUsed": card.coins,
        "thumbnailUrl": card.thumbnail,
        "nsfw": card.nsfw,
        "original": card.original,
        "liked": liked,
    }


def _list(runtime: Runtime, lang: str, sort: str) -> tuple[Language, Sort]:
    return cast("Language", lang or runtime.settings.lang), cast("Sort", sort)


def _filters(runtime: Runtime, nsfw: str, original: bool, tags: list[str]) -> Filters:
    from lunalux_core.library.market_cache import Filters

    return Filters(cast("Nsfw", nsfw or runtime.settings.market_nsfw), original, tuple(tags))


def _check(**values: str) -> None:
    for name, value in values.items():
        if value and value not in CHOICES[name]:
            raise output.not_known(f"--{name}", value, CHOICES[name])


def _now() -> int:
    return int(time.time() * 1000)


def _age(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    if minutes < 120:
        return t("cli.minutes", n=minutes)
    return t("cli.hours", n=minutes // 60) if minutes < 48 * 60 else t("cli.days", n=minutes // 1440)
