"""How far a prompt is the one before it, and what made it another one from there on.

Servers keep what they have read of a prompt and read only what follows the first difference. So the first
difference is what a turn costs: it is looked for in the records of two turns (`turn_record`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lunalux_core.llm.model import Usage

Record = Mapping[str, Any]
Cause = Literal[
    "same",
    "grown",
    "cut",
    "edited",
    "worldbook",
    "memory",
    "tracker",
    "bank",
    "note",
    "instruction",
    "preset",
    "macro",
    "examples",
    "form",
]
"""What changed first: nothing; the story went on; its oldest messages fell out of the window; a message is
another one; a worldbook entry came, went or changed; memories, trackers, passages or the author's note;
what the person says about one reply; another preset, or another of its prompts; a macro in a text that is
otherwise the same; the examples; what the turn ends with."""

EXCERPT = 160
"""Characters of both texts from the first difference on."""
_AROUND = 24
_CAUSES: Mapping[str, Cause] = {
    **dict.fromkeys(("worldInfoBefore", "worldInfoAfter", "worldInfoDepth"), "worldbook"),
    **dict.fromkeys(("worldInfo", "atDepth"), "worldbook"),
    **dict.fromkeys(("memory", "memoryRecalled", "summary"), "memory"),
    **dict.fromkeys(("dialogueExamples", "newExampleChat"), "examples"),
    **dict.fromkeys(("quietPrompt", "impersonate", "continueNudge", "continuePrefill", "groupNudge"), "form"),
    **dict.fromkeys(("outputFormat", "emptyUserMessageReplacement", "lastLine"), "form"),
    "tracker": "tracker",
    "bank": "bank",
    "authorsNote": "note",
    "instruction": "instruction",
}
_STORY = frozenset({"chatHistory", "newMainChat", "userInput", "continued"})
_ELEMENT = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_]{1,40})>\n?")


def with_beginning(record: Record, before: Record | None, usage: Usage | None = None) -> dict[str, Any]:
    """A record with `beginning`: `compare_beginnings`, and what the server said of its cache, if anything."""
    told = compare_beginnings(record, before)
    if usage is not None and not usage.estimated:
        told |= {"cached_tokens": usage.cached_tokens, "prompt_tokens": usage.prompt_tokens}
    return {**record, "beginning": told}


def compare_beginnings(now: Record, before: Record | None) -> dict[str, Any]:
    """How much of a prompt the one before it, of the same chat and model, began with, and why no more.

    Both begin with `shared_messages`, which are `shared_bytes` and (of `tokens`, as they were counted)
    `shared_tokens`. `cause` is what changed first (None where there is no turn to compare with), `slot` the
    part of the preset, `names` what is called so: worldbook entries, the preset's prompt. `before` and `now`
    are the texts from a little before the first difference on.
    """
    messages = now["messages"]
    tokens = sum(message["tokens"] for message in messages)
    if before is None:
        return {"cause": None, "tokens": tokens}
    earlier = before["messages"]
    place = _first_difference(messages, earlier)
    whole = sum(message["tokens"] for message in messages[:place])
    here = messages[place] if place < len(messages) else None
    there = earlier[place] if place < len(earlier) else None
    text, was = (message["content"] if message is not None else "" for message in (here, there))
    alike = _alike(text, was) if here and there and here["role"] == there["role"] else 0
    # Tokens of a part of a message are not counted; its share of the signs is near enough.
    part = here["tokens"] * alike // max(len(text), 1) if here else 0
    shared = sum(len(message["content"].encode("utf-8", "replace")) for message in messages[:place])
    slot = _slot(here, there, alike)
    cause = _cause(now, before, here, there, slot)
    return {
        "cause": cause,
        "slot": slot,
        "names": _names(now, before, slot, cause),
        "message_id": here["message_id"] if here else "",
        "shared_messages": place,
        "shared_tokens": min(whole + part, tokens),
        "shared_bytes": shared + len(text[:alike].encode("utf-8", "replace")),
        "tokens": tokens,
        "before": was[max(alike - _AROUND, 0) :][:EXCERPT],
        "now": text[max(alike - _AROUND, 0) :][:EXCERPT],
    }


def _first_difference(now: Sequence[Record], before: Sequence[Record]) -> int:
    for place, (message, other) in enumerate(zip(now, before, strict=False)):
        if any(message[name] != other[name] for name in ("role", "name", "content")):
            return place
    return min(len(now), len(before))


def _alike(text: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(text), len(other))
    while low < high:  # by halves: comparing slices is fast, signs one by one are not
        middle = (low + high + 1) // 2
        if text[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _slot(here: Record | None, there: Record | None, alike: int) -> str:
    """The part in which the first difference stands; of two at one place the one that came, else that went.

    A message of several parts is looked through for the element around the difference.
    """
    message = here if here is not None else there
    if message is None:
        return ""
    if here is not None and there is not None and here["slot"] != there["slot"]:
        story = here["slot"] in _STORY
        return str(there["slot"] if story and there["slot"] not in _STORY and alike else here["slot"])
    slot = str(message["slot"])
    if slot not in {"system", "user"}:
        return slot
    for text in (message["content"], there["content"] if there is not None else ""):
        if element := _element_at(text, alike):
            return element
    return slot


def _element_at(text: str, place: int) -> str:
    """The element that is open at a place of a text, "" for none."""
    opened: list[str] = []
    for match in _ELEMENT.finditer(text):
        if match.start() > place:
            break
        if not match[1]:
            opened.append(match[2])
        elif match[2] in opened:
            while opened.pop() != match[2]:
                pass
    return opened[-1] if opened else ""


def _cause(now: Record, before: Record, here: Record | None, there: Record | None, slot: str) -> Cause:
    if here is None and there is None:
        return "same"
    parts = slot.split("+")
    if any(part in _STORY for part in parts):
        return _in_story(now, before, here, there)
    for part in parts:
        if part in _CAUSES:
            return _CAUSES[part]
    if now["preset"] != before["preset"]:
        return "preset"
    same_part = here is not None and there is not None and here["slot"] == there["slot"]
    return "macro" if same_part else "preset"


def _in_story(now: Record, before: Record, here: Record | None, there: Record | None) -> Cause:
    """What became of the messages of the story."""
    dropped = now["prompt"]["history_dropped"] - before["prompt"]["history_dropped"]
    # The window moved on: the message at the same place is another one, and nobody edited it.
    if dropped > 0:
        return "cut"
    if here is None or there is None or here["slot"] != there["slot"]:
        return "grown"
    if here["slot"] in {"system", "user"}:  # the whole story in one text: it grows at its end
        return "grown"
    return "edited"


def _names(now: Record, before: Record, slot: str, cause: Cause) -> list[str]:
    """What the part is called, where it has a name of its own."""
    if cause == "worldbook":
        from lunalux_core.dialogue.turn_record_diff import compare_entries

        marks = compare_entries(now, before)
        entries = [*now["worldbook"]["activated"], *before["worldbook"]["activated"]]
        changed = {key for key, mark in marks.items() if mark != "same"}
        named = {
            (str(entry["book"]), str(entry["uid"])): entry["comment"] or str(entry["uid"])
            for entry in entries
        }
        if not changed:  # the same entries, in which a macro stands
            texts = [
                {_key(e): e["content"] for e in record["worldbook"]["activated"]} for record in (now, before)
            ]
            changed = {key for key, text in texts[0].items() if texts[1].get(key) != text}
        return [str(name) for key, name in named.items() if key in changed][:12]
    names = {**before.get("names", {}), **now.get("names", {})}
    return [str(names[part]) for part in slot.split("+") if part in names]


def _key(entry: Record) -> tuple[str, str]:
    return str(entry["book"]), str(entry["uid"])
