"""Everything as SillyTavern keeps it in a user's data folder; `lunalux import` reads the same folder back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.conversation_files import conversation_log
from lunalux_core.chatlogs.chatlog import write_jsonl
from lunalux_core.documents.json_text import dump_json
from lunalux_core.errors import LunaluxError
from lunalux_core.exporting.target import ExportReport, Names, Progress, Target, card_file, opened
from lunalux_core.library.groups import CARD_MODES, DIRECTED, TURN_ORDERS
from lunalux_core.library.shelf import exported

if TYPE_CHECKING:
    from lunalux_core.library import Library

_TEMPLATES = {
    "instruct": "instruct",
    "context": "context",
    "sysprompt": "sysprompt",
    "reasoning": "reasoning",
    "sampler": "TextGen Settings",
}
_FOLDERS = {"worldbook": "worlds", "preset": "OpenAI Settings", "regex": "regex"}


async def write_sillytavern(library: Library, path: Path, progress: Progress) -> ExportReport:
    """Cards with their chats, worldbooks, presets, regex scripts, personas and tags."""
    report = ExportReport(path)
    with opened(path) as target:
        # The characters first: groups and tags name them by the file names that they get here.
        avatars = await _characters(library, target, report, progress)
        await _groups(library, target, report, avatars)
        await _shelves(library, target, report)
        await _templates(library, target, report)
        await _personas(library, target, report)
        await _tags(library, target, report, avatars)
    return report


async def _characters(
    library: Library, target: Target, report: ExportReport, progress: Progress
) -> dict[str, str]:
    """The names of the cards' files by the characters' ids."""
    names = Names()
    avatars: dict[str, str] = {}
    branched = 0
    characters = await library.characters.list(order="added")
    for count, summary in enumerate(characters):
        progress(count, len(characters))
        character = await library.characters.get(summary.id)
        stem = names.take(summary.name)
        try:
            card = await asyncio.to_thread(card_file, library, character)
            await asyncio.to_thread(target.write, f"characters/{stem}.png", card)
        # One card that cannot be written is told and keeps none of the others from being written.
        except LunaluxError as error:
            report.lose("characters", 1, f"{summary.name}: {error.message}")
            continue
        avatars[summary.id] = f"{stem}.png"
        report.count("characters")
        titles = Names()
        for conversation in await library.conversations.list(summary.id):
            log = await conversation_log(library, conversation.id)
            if not log.nodes:
                continue
            begun = datetime.fromtimestamp(conversation.created_at / 1000)
            title = conversation.title or f"{summary.name} - {begun:%Y-%m-%d@%Hh%Mm%Ss}"
            # Half of a surrogate pair, which a script can leave in a message, is no UTF-8.
            lines = write_jsonl(log).encode("utf-8", "replace")
            target.write(f"chats/{stem}/{titles.take(title)}.jsonl", lines)
            report.count("conversations")
            # What hangs on the path is a swipe of it, which the file holds;
            # what hangs on a swipe is not written.
            on_path = set(log.path())
            branched += any(node.parent not in on_path and node.parent >= 0 for node in log.nodes)
    if branched:
        report.lose(
            "branches",
            branched,
            f"{branched} conversations have branches beyond swipes, which these files cannot hold; "
            "`lunalux backup` keeps them.",
        )
    progress(len(characters), len(characters))
    return avatars


async def _groups(library: Library, target: Target, report: ExportReport, avatars: Mapping[str, str]) -> None:
    """Groups with their chats, each chat under an id of its own as SillyTavern has it."""
    for group in await library.groups.list():
        conversations = await library.conversations.list(group_id=group.id)
        for conversation in conversations:
            lines = write_jsonl(await conversation_log(library, conversation.id)).encode("utf-8", "replace")
            target.write(f"group chats/{conversation.id}.jsonl", lines)
            report.count("conversations")
        members = [member for member in group.members if member.character_id in avatars]
        document = {
            "id": group.id,
            "name": group.name,
            "members": [avatars[member.character_id] for member in members],
            "disabled_members": [avatars[member.character_id] for member in members if member.muted],
            "activation_strategy": TURN_ORDERS.index(group.order) % DIRECTED,  # a director is natural there
            "generation_mode": CARD_MODES.index(group.cards),
            "generation_mode_join_prefix": group.join_prefix,
            "generation_mode_join_suffix": group.join_suffix,
            "allow_self_responses": group.self_responses,
            "auto_mode_delay": group.auto_delay,
            "chat_id": conversations[0].id if conversations else "",
            "chats": [conversation.id for conversation in conversations],
        }
        _write(target, f"groups/{group.id}.json", document)
        report.count("groups")


async def _shelves(library: Library, target: Target, report: ExportReport) -> None:
    for shelf in (library.worldbooks, library.presets, library.scripts):
        names = Names()
        items = await shelf.list()
        for item in items:
            _write(target, f"{_FOLDERS[shelf.kind]}/{names.take(item.name)}.json", exported(item))
            report.count({"worldbook": "worldbooks", "preset": "presets", "regex": "scripts"}[shelf.kind])
        if items and shelf.kind == "regex":
            report.notes.append("SillyTavern takes the scripts in regex/ with Extensions, Regex, Import.")


async def _templates(library: Library, target: Target, report: ExportReport) -> None:
    names = {folder: Names() for folder in _TEMPLATES.values()}
    for template in await library.templates.list():
        if folder := _TEMPLATES.get(template.kind):
            document = (
                {**template.document, "name": template.name}
                if template.kind != "sampler"
                else template.document
            )
            _write(target, f"{folder}/{names[folder].take(template.name)}.json", document)
            report.count("templates")


async def _personas(library: Library, target: Target, report: ExportReport) -> None:
    """As SillyTavern's own file of personas, for its Restore."""
    names = Names()
    avatars = {f"{names.take(persona.name)}.png": persona for persona in await library.personas.list()}
    if not avatars:
        return
    document = {
        "personas": {avatar: persona.name for avatar, persona in avatars.items()},
        "persona_descriptions": {
            avatar: {"description": persona.description, "position": 0, "lorebook": persona.worldbook}
            for avatar, persona in avatars.items()
        },
        "default_persona": next((avatar for avatar, persona in avatars.items() if persona.chosen), None),
    }
    _write(target, "personas.json", document)
    for _ in avatars:
        report.count("personas")


async def _tags(library: Library, target: Target, report: ExportReport, avatars: Mapping[str, str]) -> None:
    """As SillyTavern's own file of tags, for the Restore of its tag manager."""
    tags = await library.tags.list()
    if not tags:
        return
    of_groups = await library.tags.of_groups()
    # SillyTavern's map has characters by the file of their card and groups by their id, in one object.
    having = {avatars[who]: those for who, those in (await library.tags.of()).items() if who in avatars}
    document = {
        "tags": [
            {
                # First what SillyTavern itself kept with the tag (colours, dates), so that our fields win.
                **tag.extra,
                "id": tag.id,
                "name": tag.name,
                "folder_type": tag.folder.upper(),
                "sort_order": tag.position,
                "is_hidden_on_character_card": tag.hidden,
            }
            for tag in tags
        ],
        "tag_map": {who: [tag.id for tag in those] for who, those in {**having, **of_groups}.items()},
    }
    _write(target, "tags.json", document)
    for _ in tags:
        report.count("tags")


def _write(target: Target, name: str, document: Any) -> None:
    target.write(name, (dump_json(document, indent=4) + "\n").encode())
