"""`lunalux conversation`: list, show, group, export, import, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.library import Library
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.library.groups import CardMode, Group, TurnOrder
from lunalux_core.library.memories import find_message
from lunalux_core.regular_files import read_regular
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import delete_asked, in_runtime
from lunalux_tui.i18n import note, t

conversation_app = typer.Typer(
    help="List, show, export, import and delete conversations.", no_args_is_help=True, add_completion=False
)
commands = {"conversation": conversation_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
YES = typer.Option(False, "--yes", help="Delete without a question.")
FORCE = typer.Option(False, "--force", help="Overwrite an existing file.")
ID = typer.Argument(metavar="ID", help="Id of a conversation, or its beginning.")


@conversation_app.command("list")
@in_runtime
async def list_conversations(
    runtime: Runtime,
    character: str = typer.Argument("", help="Only this character's (name or id)."),
    as_json: bool = JSON,
) -> None:
    """Conversations, pinned ones first, then the ones used last; those of groups with their members.

    Example: lunalux conversation list Mirelle --json
    """
    library = runtime.library
    chosen = (await library.characters.find(character)).id if character else ""
    names = {c.id: c.name for c in await library.characters.list()}
    groups = {group.id: group for group in await library.groups.list()}
    listed = [
        place
        for place in await library.conversations.list(pinned_first=True)
        if not chosen
        or place.character_id == chosen
        # A group's conversation is one of each of its members.
        or (place.group_id and groups[place.group_id].member(chosen) is not None)
    ]
    if as_json:
        output.print_json(
            [_summary(c, names.get(c.character_id, ""), groups.get(c.group_id)) for c in listed]
        )
        return
    output.print_table(
        ["id", "character", "messages", "last used", "title"],
        [[c.id, _with(c, names, groups), c.length, _day(c.updated_at), _title(c)] for c in listed],
    )


@conversation_app.command()
@in_runtime
async def show(
    runtime: Runtime,
    conversation: str = ID,
    limit: int = typer.Option(0, help="Only the newest messages; 0 shows all.", min=0),
    as_json: bool = JSON,
) -> None:
    """The messages of the path on screen. As JSON also what all replies took ("spent"): tokens, and money
    where prices are known; "unpriced" counts the replies whose price is not.

    Example: lunalux conversation show 3fa8c21b --limit 20
    """
    # First, so that a reply which a killed program left open is shown as stopped.
    await runtime.chat.recover(output.journal_damaged)
    place = await runtime.library.conversations.named(conversation)
    name, group = "", None
    if place.group_id:
        group = await runtime.library.groups.get(place.group_id)
    else:
        name = (await runtime.library.characters.get(place.character_id)).name
    # More messages than any conversation has.
    page = await runtime.library.conversations.page(place.id, limit=limit or 1 << 30)
    if as_json:
        messages = [_message(message) for message in page]
        spent = (await runtime.library.conversations.spending(place.id)).as_json()
        output.print_json({**_summary(place, name, group), "spent": spent, "messages": messages})
        return
    if group is not None:
        members = [member.name + (" (muted)" if member.muted else "") for member in group.members]
        output.note(f"{group.name} [{group.order}, {group.cards}]: {', '.join(members)}")
    for message in page:
        mark = "" if message.status == "done" else f"  [{message.status}]"
        mark += f"  ⚑ {message.mark}" if message.mark else ""
        output.print_text(f"{message.name}{mark}\n{message.content}\n")


@conversation_app.command("group")
@in_runtime
async def group_(
    runtime: Runtime,
    name: str = typer.Argument(help="What the group is called."),
    characters: list[str] = typer.Argument(metavar="CHARACTER", help="Its members in order, names or ids."),
    order: TurnOrder = typer.Option(
        "natural",
        help="Who answers: those who are named or talkative, all in turn, nobody unasked, "
        "or one who has not spoken yet.",
    ),
    cards: CardMode = typer.Option("swap", help="The prompt holds the speaker's card, or those of all."),
    self_responses: bool = typer.Option(
        False, "--self-responses", help="The one who spoke last may be the next."
    ),
    as_json: bool = JSON,
) -> None:
    """Bring several characters together and start a conversation with them; prints its id.

    Example: lunalux conversation group "The night watch" Mirelle "Captain Sol" --order list
    """
    # Before it the characters that come with the program cannot be named.
    await runtime.first_start()
    library = runtime.library
    members = [(await library.characters.find(name)).id for name in characters]
    group = await library.groups.create(name, members)
    await library.groups.set(group.id, order=order, cards=cards, self_responses=self_responses)
    place = await runtime.chat.start_group(group.id)
    if as_json:
        output.print_json(_summary(place, "", await library.groups.get(group.id)))
    else:
        output.print_text(place.id)


@conversation_app.command("export")
@in_runtime
async def export(
    runtime: Runtime,
    conversation: str = ID,
    path: Path = typer.Argument(help="File to write: .jsonl (SillyTavern), .md, .txt or .json (whole tree)."),
    thinking: bool = typer.Option(False, "--thinking", help="With the model's reasoning, in Markdown."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a conversation to a file. All but .json hold the path on screen; swipes go along in .jsonl.

    Example: lunalux conversation export 3fa8c21b evening.md
    """
    from lunalux_core.chat.conversation_files import export_conversation, format_of

    target = free_path(path, force=force)
    place = await runtime.library.conversations.named(conversation)
    text = await export_conversation(runtime.library, place.id, format_of(path), thinking=thinking)
    # Texts that were imported may hold halves of surrogate pairs, which have no UTF-8.
    write_file(target, text.encode("utf-8", "replace"))
    if as_json:
        output.print_json({**_named(place), "path": str(path)})
    else:
        output.say("written", path=path)


@conversation_app.command("import")
@in_runtime
async def import_(
    runtime: Runtime,
    path: Path = typer.Argument(
        help="A chat file: .jsonl, .md, or JSON of Narratium, RisuAI, Agnai, oobabooga, Kobold, CAI Tools."
    ),
    character: str = typer.Option("", help="The character it belongs to; otherwise whose name it has."),
    group: str = typer.Option("", help="The group it belongs to; one for its speakers if neither is named."),
    as_json: bool = JSON,
) -> None:
    """Store a chat file as a new conversation, or several where it holds several; prints their ids. A
    group's speakers are matched by name.

    Example: lunalux conversation import chat.jsonl --character Seraphina
    """
    library, data = runtime.library, read_file(path)
    persona = await library.personas.chosen()
    user = (persona.name if persona else runtime.settings.user_name) or "You"
    if whose := await _owner(library, data, path, character, group):
        from lunalux_core.chat.conversation_files import import_conversation

        imported = await import_conversation(library, whose, data, path.name, user_name=user, path=path)
    else:
        from lunalux_core.chat.group_chat_files import import_group_chat

        chosen = (await library.groups.find(group)).id if group else ""
        imported = await import_group_chat(
            library, data, path.name, group_id=chosen, user_name=user, path=path
        )
    notes = list(map(note, imported.notes))
    for remark in notes:
        output.note(remark)
    if as_json:
        more = {"others": list(imported.others)} if imported.others else {}
        output.print_json(
            {
                **_named(await library.conversations.get(imported.conversation_id)),
                "messages": imported.messages,
                "notes": notes,
                **more,
            }
        )
        return
    for identity in (imported.conversation_id, *imported.others):
        output.print_text(identity)


@conversation_app.command()
@in_runtime
async def pin(
    runtime: Runtime,
    conversation: str = ID,
    off: bool = typer.Option(False, "--off", help="Let it go again."),
    as_json: bool = JSON,
) -> None:
    """Keep a conversation at the top of the list.

    Example: lunalux conversation pin 3fa8c21b
    """
    conversations = runtime.library.conversations
    place = await conversations.named(conversation)
    await conversations.set(place.id, pinned=int(not off))
    if as_json:
        output.print_json({**_named(place), "title": place.title, "pinned": not off})
    else:
        output.say("unpinned" if off else "pinned", name=place.title or place.id)


@conversation_app.command()
@in_runtime
async def mark(
    runtime: Runtime,
    conversation: str = ID,
    message: str = typer.Argument("", help="Id of the message; the last one where none is named."),
    name: str = typer.Option("", help="What to call this place of the story."),
    off: bool = typer.Option(False, "--off", help="Take the mark away."),
    as_json: bool = JSON,
) -> None:
    """Give a place of a story a name; without one, list those that have.

    Example: lunalux conversation mark 3fa8c21b --name "before the storm"
    """
    if message and not (name or off):
        raise InvalidInput(
            "USAGE", "A name for this place is missing.", "Give --name, or --off to unmark it.", kind="mark"
        )
    conversations = runtime.library.conversations
    place = await conversations.named(conversation)
    if name or off:
        at = await runtime.library.database.read(
            lambda c: find_message(c, place.id, message or place.head_id)
        )
        await runtime.chat.edits.mark(at, "" if off else name)
    marked = [node for node in await conversations.tree(place.id) if node.mark]
    if as_json:
        output.print_json(
            [
                {
                    "id": node.id,
                    "name": node.mark,
                    "depth": node.depth,
                    "speaker": node.name,
                    "preview": node.preview,
                    "shown": node.on_path,
                }
                for node in marked
            ]
        )
    else:
        output.print_table(
            ["id", "name", "speaker", "begins"],
            [[node.id, node.mark, node.name, node.preview] for node in marked],
        )


@conversation_app.command()
@in_runtime
async def override(
    runtime: Runtime,
    conversation: str = ID,
    scenario: str | None = typer.Option(None, help="Its own scenario; empty leaves the card's, - is stdin."),
    examples: str | None = typer.Option(None, help="Its own example messages, likewise."),
    main_prompt: str | None = typer.Option(None, help="Its own main prompt, likewise."),
    as_json: bool = JSON,
) -> None:
    """Give a conversation texts of its own in the place of the card's; without options, show them.

    Example: lunalux conversation override 3fa8c21b --scenario "Ten years later, on the same ship."
    """
    from lunalux_core.chat.overrides import change_overrides
    from lunalux_tui.cli.plain_values import given
    from lunalux_tui.cli.stdin import text_of

    wishes = {"scenario": scenario, "examples": examples, "main_prompt": main_prompt}
    texts = given(**{name: None if text is None else text_of(text) for name, text in wishes.items()})
    place = await runtime.library.conversations.named(conversation)
    overrides = await change_overrides(runtime.library, place.id, lambda before: replace(before, **texts))
    if as_json:
        output.print_json({"conversation_id": place.id, **asdict(overrides)})
        return
    for name, text in overrides.named.items():
        output.print_text(f"--- {name}")
        output.print_text(text)


@conversation_app.command()
def delete(conversation: str = ID, yes: bool = YES, as_json: bool = JSON) -> None:
    """Delete a conversation with all its branches.

    Example: lunalux conversation delete 3fa8c21b --yes
    """

    async def find(runtime: Runtime) -> Conversation:
        return await runtime.library.conversations.named(conversation)

    async def remove(runtime: Runtime, place: Conversation) -> None:
        await runtime.library.conversations.delete(place.id)
        output.deleted(_named(place), as_json=as_json)

    delete_asked(
        find, lambda place: t("cli.delete_conversation", name=place.title or place.id), remove, yes=yes
    )


def read_file(path: Path) -> bytes:
    """The bytes of a file a person named. Raises as `read_regular`."""
    return read_regular(path)


def home_path(path: Path) -> Path:
    """A path a person named, with ~ as the home folder; ~ of somebody unknown is a name like any other."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def free_path(path: Path, *, force: bool) -> Path:
    """Where a file a person named is written to. Raises InvalidInput (FILE_EXISTS) for one that is there."""
    target = home_path(path)
    if target.exists() and not force:
        raise InvalidInput(
            "FILE_EXISTS", f"{path} exists already.", "Choose another name, or --force.", path=str(path)
        )
    return target


def write_file(path: Path, data: bytes) -> None:
    """Write a file a person named, whole or not at all, making its folder. Raises as `write_named`."""
    from lunalux_core.regular_files import write_named

    write_named(path, data)


async def _owner(library: Library, data: bytes, path: Path, character: str, group: str) -> str:
    """Id of the character a chat file belongs to, "" for a group's: as named, else by the names inside.

    Raises NotFound (CHAT_WITHOUT_CHARACTER).
    """
    from lunalux_core.chat.group_chat_files import is_group_chat
    from lunalux_core.chatlogs.chatlog_reader import read_chat
    from lunalux_core.importing.chat_owners import ChatOwners, owner

    if character:
        return (await library.characters.find(character)).id
    if group or is_group_chat(log := read_chat(data, path.name)):
        return ""
    return await library.database.read(lambda connection: owner(connection, log, path, ChatOwners()))


def _title(conversation: Conversation) -> str:
    return ("▲ " if conversation.pinned else "") + (conversation.title or "-")


def _with(conversation: Conversation, names: Mapping[str, str], groups: Mapping[str, Group]) -> str:
    group = groups.get(conversation.group_id)
    if group is None:
        return names.get(conversation.character_id, "")
    return f"{group.name} ({', '.join(group.names)})"


def _named(conversation: Conversation) -> dict[str, Any]:
    """What a conversation is found by; one without a title is called by its id."""
    return {"id": conversation.id, "name": conversation.title or conversation.id}


def _summary(conversation: Conversation, character: str, group: Group | None) -> dict[str, Any]:
    """A conversation for JSON; of a group, character and its id are null."""
    return {
        **_named(conversation),
        "character_id": conversation.character_id or None,
        "character": character or None,
        "group": None if group is None else _group(group),
        "title": conversation.title,
        "pinned": conversation.pinned,
        "length": conversation.length,
        "created_at": output.moment(conversation.created_at),
        "updated_at": output.moment(conversation.updated_at),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "order": group.order,
        "cards": group.cards,
        "self_responses": group.self_responses,
        "members": [
            {"character_id": member.character_id, "name": member.name, "muted": member.muted}
            for member in group.members
        ],
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent_id": message.parent_id or None,
        "role": message.role,
        "name": message.name,
        "speaker_id": message.speaker or None,
        "content": message.content,
        "thinking": message.thinking,
        "next_prompts": list(message.suggestions),
        "event": message.event,
        "status": message.status,
        "finish": message.finish,
        "model": message.model,
        "usage": message.usage,
        "billing": message.billing,
        "hidden": message.hidden,
        "mark": message.mark or None,
        "pictures": [picture.as_json() for picture in message.pictures],
        "swipe": message.swipe,
        "swipes": message.swipes,
        "created_at": output.moment(message.created_at),
    }


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")
