"""Everything as one Narratium file: its stores as JSON, pictures as base64.

See docs/spec/formats.md: Narratium's files.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.card import Card
from lunalux_core.chat.conversation_files import conversation_log
from lunalux_core.chatlogs.chatlog import ChatLog
from lunalux_core.documents.coerce import as_object
from lunalux_core.documents.json_text import dump_json
from lunalux_core.exporting.target import ExportReport, Progress
from lunalux_core.presets.document import read_preset
from lunalux_core.presets.recognition import with_lists
from lunalux_core.regular_files import write_named

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.library.characters import Character

ROOT = "root"


async def write_narratium(library: Library, path: Path, progress: Progress) -> ExportReport:
    """Characters with pictures and dialogues, regex scripts and presets."""
    report = ExportReport(path)
    stores: dict[str, Any] = {
        "characters_record": [],
        "character_dialogues": [],
        "character_images": [],
        "world_book": [],
        "regex_scripts": [],
        "preset_data": [],
    }
    scripts: dict[str, Any] = {}
    characters = await library.characters.list(order="added")
    for count, summary in enumerate(characters):
        progress(count, len(characters))
        character = await library.characters.get(summary.id)
        card = Card.parse(character.document)
        stores["characters_record"].append(_record(character, card))
        stores["character_images"] += await asyncio.to_thread(_picture, library, character)
        conversations = await library.conversations.list(summary.id)
        logs = [await conversation_log(library, conversation.id) for conversation in conversations]
        if tree := _tree(summary.id, logs):
            stores["character_dialogues"].append(tree)
        own = card.regex_scripts
        # Narratium writes the scripts of a card as an object by key, SillyTavern as a list.
        items = own.values() if isinstance(own, dict) else own if isinstance(own, list) else ()
        # Narratium runs what it finds without asking: scripts that nobody allowed here stay in the card.
        if items and character.scripts_allowed:
            scripts[summary.id] = _keyed(items)
        report.count("characters")
        for _ in conversations:
            report.count("conversations")
    if shelf := await library.scripts.list(enabled_only=True):
        scripts["global"] = _keyed([item.document for item in shelf])
        report.counts["scripts"] = len(shelf)
    stores["regex_scripts"] = [scripts] if scripts else []
    for item in await library.presets.list():
        stores["preset_data"].append(_preset(item.id, item.name, item.document, enabled=item.enabled))
        report.count("presets")
    if groups := await library.groups.list():
        report.lose("groups", len(groups), f"{len(groups)} groups are not part of it: Narratium has none.")
    if books := await library.worldbooks.list():
        report.lose(
            "worldbooks",
            len(books),
            f"{len(books)} worldbooks of the library are not part of it: "
            "Narratium knows only those in cards.",
        )
    progress(len(characters), len(characters))
    await asyncio.to_thread(write_named, path, (dump_json(stores) + "\n").encode())
    return report


def _record(character: Character, card: Card) -> dict[str, Any]:
    summary = character.summary
    return {
        "id": summary.id,
        "data": card.export("v2"),
        "imagePath": f"{summary.id}.png" if summary.picture else "",
        "created_at": summary.created_at,
        "updated_at": character.updated_at,
    }


def _picture(library: Library, character: Character) -> list[dict[str, str]]:
    path = library.characters.picture_path(character.summary)
    if path is None or not path.is_file():
        return []
    # The key ends in .png whatever the picture is: it is what `imagePath` of the record names.
    kind = "png" if path.suffix == ".png" else path.suffix[1:].replace("jpg", "jpeg")
    data = base64.b64encode(path.read_bytes()).decode()
    return [{"key": f"{character.id}.png", "data": f"data:image/{kind};base64,{data}"}]


def _tree(character_id: str, logs: Sequence[ChatLog]) -> dict[str, Any] | None:
    """All conversations of a character as branches of the one tree it has there; the newest is shown."""
    nodes = [{"nodeId": ROOT, "parentNodeId": ROOT, "userInput": "", "assistantResponse": ""}]
    current = ""
    for number, log in enumerate(logs):
        turns = _turns(log, f"{number}-")
        nodes += [turn for turn in turns.values() if turn is not None]
        # The conversations come with the one used last in front, so its end is what is shown.
        if not current and log.head >= 0:
            current = f"{number}-{log.head}"
    if len(nodes) == 1:
        return None
    ids = {node["nodeId"] for node in nodes}
    return {
        "id": character_id,
        "character_id": character_id,
        "nodes": nodes,
        # A conversation that was cut at words which a reply answers ends at no turn of this tree.
        "current_nodeId": current if current in ids else nodes[-1]["nodeId"],
    }


def _turns(log: ChatLog, prefix: str) -> dict[int, dict[str, Any] | None]:
    """Turns by the message that ends them: a reply with the words above it, or words without a reply."""
    answered = {node.parent for node in log.nodes if node.role != "user"}
    turns: dict[int, dict[str, Any] | None] = {}
    for place, node in enumerate(log.nodes):
        if node.role == "user" and place in answered:
            # Words that a reply answers are part of that reply's turn, one for each of its swipes.
            turns[place] = None
            continue
        above = node.parent
        spoken = ""
        if node.role == "user":
            spoken = node.text
        elif above >= 0 and turns.get(above, node) is None:
            spoken, above = log.nodes[above].text, log.nodes[above].parent
        while above >= 0 and turns.get(above) is None:  # words of the person above words of the person
            spoken, above = f"{log.nodes[above].text}\n\n{spoken}", log.nodes[above].parent
        reply = "" if node.role == "user" else node.text
        turns[place] = {
            "nodeId": f"{prefix}{place}",
            "parentNodeId": f"{prefix}{above}" if above >= 0 else ROOT,
            "userInput": spoken,
            "assistantResponse": reply,
            "fullResponse": node.raw or reply,
            "thinkingContent": node.thinking,
            "parsedContent": {
                "regexResult": reply,
                "nextPrompts": list(node.suggestions),
                "compressedContent": node.event,
            },
        }
    return turns


def _keyed(scripts: Any) -> dict[str, Any]:
    return {
        f"script_{place}": {
            **script,
            "scriptKey": f"script_{place}",
            "extensions": script.get("extensions", {}),
        }
        for place, script in enumerate(scripts)
        if isinstance(script, dict)
    }


def _preset(identity: str, name: str, document: Mapping[str, Any], *, enabled: bool) -> dict[str, Any]:
    """The prompts in the group that Narratium reads first, each switched as its order says."""
    preset = read_preset(document, name).preset
    order = {entry.identifier: (place, entry.enabled) for place, entry in enumerate(preset.order)}
    prompts = [
        {
            **prompt,
            "name": prompt.get("name") or prompt.get("identifier"),
            "enabled": order.get(str(prompt.get("identifier")), (0, False))[1],
            "group_id": 2,
            "position": order.get(str(prompt.get("identifier")), (len(order), False))[0],
        }
        for prompt in with_lists(document).get("prompts") or []
        if isinstance(prompt, dict)
    ]
    return {"id": identity, "name": name, "enabled": enabled, "prompts": prompts, **_extensions(document)}


def _extensions(document: Mapping[str, Any]) -> dict[str, Any]:
    own = as_object(document.get("extensions"))
    return {"extensions": dict(own)} if own else {}
