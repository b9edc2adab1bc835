"""`lunalux tag`: the person's own tags, and which characters and groups have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.library.tags import Folder, GroupTags, Tag
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import YES
from lunalux_tui.cli.run import delete_named, in_runtime, named_character
from lunalux_tui.cli.shelf_commands import JSON
from lunalux_tui.i18n import t

tag_app = typer.Typer(
    help="Tags of your own for characters and groups: list, add, remove, rename, delete, or show as folders.",
    no_args_is_help=True,
    add_completion=False,
)
commands = {"tag": tag_app}

TAG = typer.Argument(metavar="TAG", help="Name or id of one of your tags.")
CHARACTERS = typer.Argument([], metavar="CHARACTER...", help="Characters, names or ids.")
GROUPS = typer.Option([], "--group", metavar="NAME", help="A group, its name or id; repeat it for several.")


@tag_app.command("list")
@in_runtime
async def list_tags(
    runtime: Runtime,
    cards: bool = typer.Option(False, "--cards", help="Also those that cards bring; their id is their name."),
    as_json: bool = JSON,
) -> None:
    """Your tags and how many characters and groups have each.

    Example: lunalux tag list --json
    """
    await runtime.first_start()
    rows = [_row(tag) for tag in await runtime.library.tags.list()]
    if cards:
        own = {row["name"].casefold() for row in rows}
        rows += [
            {"id": tag.name, "name": tag.name, "source": "card", "characters": tag.characters, "groups": 0}
            for tag in await runtime.library.tags.of_cards()
            # A tag of the person's own stands for the one of the cards with the same name.
            if tag.name.casefold() not in own
        ]
    if as_json:
        output.print_json(rows)
        return
    table = [
        [
            *(row["id"], row["name"], row["characters"], row["groups"], row["source"]),
            _folder(row.get("folder", "none")),
        ]
        for row in rows
    ]
    output.print_table(["id", "name", "characters", "groups", "source", "folder"], table)


@tag_app.command()
@in_runtime
async def add(
    runtime: Runtime,
    tag: str = typer.Argument(metavar="TAG", help="The tag's name; it is made where there is none."),
    characters: list[str] = CHARACTERS,
    groups: list[str] = GROUPS,
    as_json: bool = JSON,
) -> None:
    """Tag characters and groups. If one of them is not found, none is tagged.

    Example: lunalux tag add "to read" Mirelle Seraphina --group "The night watch"
    """
    # All of them before the first is tagged: where one is not found, nothing changes.
    ids, group_ids = await _named(runtime, characters, groups)
    tags = runtime.library.tags
    # By the whole name or the id: a name that only begins like another tag's is a new one.
    name = next((listed.name for listed in await tags.list() if listed.id == tag), tag)
    changed = (await tags.add(name, ids)).added
    grouped = await GroupTags(runtime.library.database).add(name, group_ids)
    _told(grouped.tag, changed, grouped.added, "added", as_json)


@tag_app.command()
@in_runtime
async def remove(
    runtime: Runtime,
    tag: str = TAG,
    characters: list[str] = CHARACTERS,
    groups: list[str] = GROUPS,
    as_json: bool = JSON,
) -> None:
    """Take a tag away from characters and groups. A tag that their card brings stays with the card.

    Example: lunalux tag remove "to read" Mirelle
    """
    await runtime.first_start()
    stored = await runtime.library.tags.find(tag)
    ids, group_ids = await _named(runtime, characters, groups)
    changed = (await runtime.library.tags.remove(stored.id, ids)).removed
    grouped = await GroupTags(runtime.library.database).remove(stored.id, group_ids)
    _told(grouped.tag, changed, grouped.removed, "removed", as_json)


@tag_app.command()
@in_runtime
async def rename(
    runtime: Runtime,
    tag: str = TAG,
    name: str = typer.Argument(metavar="NEW", help="The new name."),
    as_json: bool = JSON,
) -> None:
    """Give a tag another name, on everyone who has it.

    Example: lunalux tag rename "to read" later
    """
    tags = runtime.library.tags
    renamed = await tags.rename((await tags.find(tag)).id, name)
    if as_json:
        output.print_json(_row(renamed))
    else:
        output.say("tag_renamed", name=renamed.name)


@tag_app.command()
@in_runtime
async def folder(
    runtime: Runtime,
    tag: str = TAG,
    kind: Folder = typer.Argument(help="open, closed (its characters are shown in it alone), or none."),
    as_json: bool = JSON,
) -> None:
    """Show a tag as a folder of the list of characters, or as a tag alone again.

    Example: lunalux tag folder fantasy closed
    """
    tags = runtime.library.tags
    stored = await tags.fold((await tags.find(tag)).id, kind)
    if as_json:
        output.print_json(_row(stored))
    else:
        output.say(f"tag_folder_{kind}", name=stored.name)


@tag_app.command()
def delete(
    tag: str = TAG,
    yes: bool = YES,
    as_json: bool = JSON,
) -> None:
    """Delete a tag; characters and groups stay, and so do the tags of cards.

    Example: lunalux tag delete later --yes
    """

    delete_named(
        lambda runtime: runtime.library.tags.find(tag),
        lambda tag: t("cli.delete_tag", name=tag.name, n=tag.characters + tag.groups),
        lambda runtime, tag: runtime.library.tags.delete(tag.id),
        yes=yes,
        as_json=as_json,
    )


async def _named(
    runtime: Runtime, characters: Sequence[str], groups: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The ids of both. Raises InvalidInput (USAGE) where nobody is named, NotFound."""
    if not characters and not groups:
        raise InvalidInput(
            "USAGE",
            "Nobody is named.",
            "Name characters behind the tag, or groups with --group.",
            kind="tag_nobody",
        )
    ids = [(await named_character(runtime, name)).id for name in characters]
    return ids, [(await runtime.library.groups.find(name)).id for name in groups]


def _told(tag: Tag, changed: Sequence[str], groups: Sequence[str], what: str, as_json: bool) -> None:
    if as_json:
        output.print_json({**_row(tag), "changed": [*changed], "changed_groups": [*groups]})
        return
    if changed or not groups:
        output.say(f"tag_{what}", name=tag.name, n=len(changed))
    if groups:
        output.say(f"tag_{what}_groups", name=tag.name, n=len(groups))


def _folder(kind: str) -> str:
    return "" if kind == "none" else kind


def _row(tag: Tag) -> dict[str, Any]:
    return {
        "id": tag.id,
        "name": tag.name,
        "source": "own",
        "characters": tag.characters,
        "groups": tag.groups,
        "folder": tag.folder,
        "hidden": tag.hidden,
    }
