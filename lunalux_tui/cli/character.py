"""`lunalux character`: list, show, export, delete, validate, allow-scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.library.character_list import ORDERS, CharacterQuery, CharacterSummary
from lunalux_core.library.characters import Character
from lunalux_core.library.tags import Tag, pick
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import FORCE, YES, free_path, read_file, write_file
from lunalux_tui.cli.run import command_settings, delete_asked, in_runtime, named_character
from lunalux_tui.cli.stdin import input_lines
from lunalux_tui.i18n import note, t

if TYPE_CHECKING:
    from lunalux_core.cards.validation import Departure

character_app = typer.Typer(
    help="List, show, export, delete and validate characters; allow the scripts of their cards.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"character": character_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(metavar="NAME_OR_ID", help="Name, id, or the first letters of an id.")


@character_app.command("list")
@in_runtime
async def list_characters(
    runtime: Runtime,
    search: str = typer.Argument("", help="Only those with these words in name, intro, creator or tags."),
    favourites: bool = typer.Option(False, "--favourites", help="Only favourites."),
    tag: list[str] = typer.Option([], help="Only those with this tag, yours or their card's; repeat it."),
    without: list[str] = typer.Option([], help="Only those without this tag; repeat it for several."),
    sort: str = typer.Option("recent", help="recent, name, added, creator or size."),
    as_json: bool = JSON,
) -> None:
    """The characters of the library, favourites first.

    Example: lunalux character list --tag fantasy --without "to read" --sort name --json
    """
    if sort not in ORDERS:
        raise output.not_known("--sort", sort, ORDERS)
    # A new library is not shown empty: our own characters come first.
    await runtime.first_start()
    # The same word, as one of the literals that the type checker knows.
    order = next(name for name in ORDERS if name == sort)
    having, lacking = await _known_tags(runtime, tag, without)
    wanted = CharacterQuery(search, favourites, having, lacking, order=order)
    summaries, _ = await runtime.library.characters.page(wanted)
    own = await runtime.library.tags.of()
    if as_json:
        output.print_json([_summary(summary, own.get(summary.id, ())) for summary in summaries])
        return
    output.print_table(
        ["id", "", "name", "lang", "spec", "tags", "intro"],
        [
            [c.id, "★" if c.favourite else "", c.name, c.language, c.spec, tags, c.intro]
            for c, tags in ((c, _tags(c, own.get(c.id, ()))) for c in summaries)
        ],
    )


@character_app.command()
@in_runtime
async def show(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """One character; with --json the whole normalised card (as V3) and its binding.

    Example: lunalux character show Mirelle --json
    """
    from lunalux_core.cards.card import Card

    character = await named_character(runtime, name)
    card = Card.parse(character.document)
    own = (await runtime.library.tags.of([character.id])).get(character.id, ())
    if as_json:
        output.print_json(
            {
                **_summary(character.summary, own),
                "content_hash": character.content_hash,
                "scripts_allowed": character.scripts_allowed,
                "updated_at": output.moment(character.updated_at),
                "card": card.normalised(),
            }
        )
    else:
        _print_card(character, card.normalised()["data"], own)


@character_app.command("export")
@in_runtime
async def export(
    runtime: Runtime,
    name: str = NAME,
    path: Path = typer.Argument(help="A .png, .json, .charx or .byaf file to write; or a folder."),
    spec: str | None = typer.Option(None, help="v2 or v3; by default as the card is (PNG: both)."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a character to a file; what the card holds beside our fields goes along.

    An archive of Backyard (.byaf) takes its conversations along, each as a scenario.

    Example: lunalux character export Mirelle mirelle.png --spec v3
    """
    if spec not in {None, "v2", "v3"}:
        raise output.not_known("--spec", spec, ("v2", "v3"))
    from lunalux_core.exporting.target import card_file, file_name

    character = await named_character(runtime, name)
    target = path.expanduser()
    # In a folder a PNG: the kind of card that every program reads.
    if target.is_dir():
        target /= f"{file_name(character.name)}.png"
    if target.suffix.lower() == ".byaf":
        from lunalux_core.exporting.byaf import byaf_file

        content = await byaf_file(runtime.library, character)
    else:
        content = card_file(runtime.library, character, _format(target), spec)
    write_file(free_path(target, force=force), content)
    if as_json:
        output.print_json({"id": character.id, "name": character.name, "path": str(target)})
    else:
        output.say("written", path=target)


@character_app.command()
def delete(
    name: str = NAME,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a character with all its conversations.

    Example: lunalux character delete 3fa8c21b --yes
    """

    async def find(runtime: Runtime) -> tuple[CharacterSummary, int]:
        summary = (await named_character(runtime, name)).summary
        # Counted before the question, which says what goes along.
        return summary, len(await runtime.library.conversations.list(summary.id))

    async def remove(runtime: Runtime, asked: tuple[CharacterSummary, int]) -> None:
        summary, chats = asked
        await runtime.library.characters.delete(summary.id)
        if as_json:
            output.print_json({"id": summary.id, "name": summary.name, "deleted": True})
        else:
            output.say("character_deleted", name=summary.name, n=chats)

    delete_asked(
        find, lambda asked: t("cli.delete_character", name=asked[0].name, n=asked[1]), remove, yes=yes
    )


@character_app.command()
@in_runtime
async def allow_scripts(
    runtime: Runtime,
    name: str = NAME,
    no: bool = typer.Option(False, "--no", help="Do not run them, and do not ask again."),
    as_json: bool = JSON,
) -> None:
    """Let the regex scripts that a character's card brings run in chats with it.

    Example: lunalux character allow-scripts Mirelle

    They can change what is shown, what is stored and what the model gets; they cannot run programs or reach
    the network. Scripts on your own shelf have switches of their own: `lunalux regex enable`.
    """
    from lunalux_core.chat.card_scripts import changes, scripts_of, works_on

    character = await named_character(runtime, name)
    card_scripts = scripts_of(character)
    scripts = card_scripts.scripts if card_scripts else ()
    if card_scripts is not None:
        await runtime.library.characters.allow_scripts(character.id, not no)
    if as_json:
        rows = [
            {"name": called, "works_on": list(works_on(script)), "changes": list(changes(script))}
            for called, script in zip(card_scripts.names if card_scripts else (), scripts, strict=True)
        ]
        # Without scripts nothing was stored, so the old answer still counts.
        allowed = not no if scripts else character.scripts_allowed
        output.print_json(
            {"id": character.id, "name": character.name, "scripts_allowed": allowed, "scripts": rows}
        )
    elif card_scripts is None:
        output.say("scripts_none", name=character.name)
    else:
        output.say("scripts_refused" if no else "scripts_allowed", name=character.name, n=len(scripts))


@character_app.command()
def validate(
    paths: list[str] = typer.Argument(
        metavar="PATH...", help="Files, folders, globs, or - for a list on stdin."
    ),
    as_json: bool = JSON,
) -> None:
    """Report every departure of card files from the card specifications.

    Example: lunalux character validate ~/cards --json

    The exit code is 7 when a file holds no readable card or one with errors, and 5 for a single path that is
    not there; warnings alone are no failure.
    """
    from lunalux_core.cards.validation import validate as check
    from lunalux_core.importing import ImportResult, expand

    # For the language of the settings; no library is opened.
    command_settings()
    reports = []
    failures: list[LunaluxError | bool] = []
    for item in expand(paths, input_lines()):
        if isinstance(item, ImportResult):
            assert item.error is not None
            failures.append(item.error)
            report = {"path": item.path, "spec": None, "valid": False, "departures": [_problem(item.error)]}
        else:
            report = _checked(item, check)
            failures.append(not report["valid"])
        reports.append(report)
        if not as_json:
            _print_report(report)
    if as_json:
        output.print_json(reports)
    output.finish_batch(failures, as_json=as_json)


def _checked(path: Path, check: Callable[[bytes, str], list[Departure]]) -> dict[str, Any]:
    """The report on one file; without a `spec` there is no card in it at all."""
    from lunalux_core.cards.card_reader import read_card

    try:
        data = read_file(path)
        spec: str | None = read_card(data, path.name).card.spec
    except LunaluxError as error:
        return {"path": str(path), "spec": None, "valid": False, "departures": [_problem(error)]}
    rows = [
        {"level": finding.level, "path": finding.path, "code": finding.code, "message": note(finding.message)}
        for finding in check(data, path.name)
    ]
    valid = not any(row["level"] == "error" for row in rows)
    return {"path": str(path), "spec": spec, "valid": valid, "departures": rows}


def _problem(error: LunaluxError) -> dict[str, str]:
    return {"level": "error", "path": "", "code": error.code, "message": output.sentence(error)[0]}


def _print_report(report: dict[str, Any]) -> None:
    if not report["departures"]:
        output.print_text(t("cli.card_in_order", path=report["path"]))
    for departure in report["departures"]:
        where = f" {departure['path']}:" if departure["path"] else ""
        level = t(f"cli.level_{departure['level']}")
        output.print_text(f"{report['path']}: {level}:{where} {departure['message']}")


def _format(path: Path) -> str:
    from lunalux_core.cards.export import FORMATS

    ending = path.suffix[1:].lower()
    if ending not in FORMATS:
        formats = ", ".join(f".{name}" for name in (*FORMATS, "byaf"))
        raise InvalidInput(
            "EXPORT_FORMAT_UNKNOWN",
            f"{path.name} does not say what to write.",
            f"End its name in one of: {formats}.",
            path=path.name,
            formats=formats,
        )
    return ending


async def _known_tags(
    runtime: Runtime, having: Sequence[str], lacking: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The tags that are named, each by its whole name; one to leave out that nobody has is only told.

    Raises:
        NotFound: TAG_NOT_FOUND.
    """
    if not having and not lacking:
        return [], []
    tags = runtime.library.tags
    known_tags = [*await tags.list(), *(Tag(tag.name, tag.name) for tag in await tags.of_cards())]
    absent = []
    for name in lacking:
        try:
            absent.append(pick(known_tags, name).name)
        except NotFound as error:
            output.warn(error)
    return [pick(known_tags, name).name for name in having], absent


def _tags(summary: CharacterSummary, own: Sequence[Tag]) -> str:
    """The first tags, the person's own before the card's."""
    return ", ".join([*(tag.name for tag in own if not tag.hidden), *summary.tags][:4])


def _summary(summary: CharacterSummary, own: Sequence[Tag]) -> dict[str, Any]:
    binding: dict[str, Any] = {"active": summary.binding_active}
    if summary.market_id:
        binding["characterId"] = summary.market_id
    return {
        "id": summary.id,
        "name": summary.name,
        "language": summary.language,
        "spec": summary.spec,
        "creator": summary.creator,
        "intro": summary.intro,
        "tags": list(summary.tags),
        "own_tags": [tag.name for tag in own],
        "favourite": summary.favourite,
        "picture": summary.picture or None,
        "marketBinding": binding,
        "created_at": output.moment(summary.created_at),
        "used_at": output.moment(summary.used_at),
    }


def _print_card(character: Character, data: dict[str, Any], own: Sequence[Tag]) -> None:
    summary = character.summary
    facts = {
        "id": summary.id,
        "language": summary.language,
        "spec": summary.spec,
        "creator": summary.creator,
        "tags": ", ".join(summary.tags),
        "own tags": ", ".join(tag.name for tag in own),
        "community": t("cli.bound" if summary.binding_active else "cli.bound_no_more", id=summary.market_id)
        if summary.market_id
        else "",
    }
    output.print_text(summary.name)
    for label, value in facts.items():
        if value:
            output.print_text(f"  {output.label(label)}: {value}")
    for field in ("description", "personality", "scenario", "first_mes", "mes_example", "creator_notes"):
        if text := data[field].strip():
            output.print_text(f"\n{output.label(field)}\n{text}")
    book = data["character_book"]
    greetings, entries = len(data["alternate_greetings"]), len(book["entries"]) if book else 0
    output.print_text("\n" + t("cli.card_holds", greetings=greetings, entries=entries))
