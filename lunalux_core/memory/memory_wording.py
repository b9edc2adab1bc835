"""Memories as words of a prompt. The same memories always give the same text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.language import Language
from lunalux_core.library.memories import Memory
from lunalux_core.memory.selection import Selection, UsedMemory


@dataclass(frozen=True, slots=True)
class Headings:
    facts: str
    marked: str
    story: str
    recalled: str
    said: str


HEADINGS: Mapping[Language, Headings] = {
    "en": Headings(
        facts="What is certain in this story:",
        marked="Said earlier, word for word:",
        story="What has happened so far:",
        recalled="From earlier, and of use now:",
        said="{name}: {text}",
    ),
    "zh": Headings(
        facts="这个故事里已经确定的事：",
        marked="此前的原话：",
        story="到目前为止发生的事：",
        recalled="此刻用得上的往事：",
        said="{name}：{text}",
    ),
}


def facts_text(selection: Selection, language: Language) -> str:
    """Facts and marked messages of the stable part, with their headings; "" where there are none."""
    words = HEADINGS[language]
    facts = [used for used in selection.stable if used.memory.kind in ("fact", "journal")]
    marked = [used for used in selection.stable if used.memory.kind == "marked"]
    parts = []
    if facts:
        parts.append("\n".join((words.facts, *(f"- {_line(used.memory, words)}" for used in facts))))
    if marked:
        parts.append("\n".join((words.marked, *(_line(used.memory, words) for used in marked))))
    return "\n\n".join(parts)


def story_text(selection: Selection, language: Language) -> str:
    """Chapters and summaries of the stable part, the oldest first."""
    told = [used for used in selection.stable if used.memory.kind in ("chapter", "summary")]
    return _told(HEADINGS[language].story, told, HEADINGS[language])


def recalled_text(selection: Selection, language: Language) -> str:
    """What the last messages call for."""
    return _told(HEADINGS[language].recalled, selection.recalled, HEADINGS[language])


def plain_story(told: Sequence[UsedMemory]) -> str:
    """Summaries one below the other, without a heading."""
    return "\n\n".join(_line(used.memory, HEADINGS["en"]) for used in told)


def _told(heading: str, told: Sequence[UsedMemory], words: Headings) -> str:
    if not told:
        return ""
    return "\n\n".join((heading, *(_line(used.memory, words) for used in told)))


def _line(memory: Memory, words: Headings) -> str:
    text = memory.text.strip()
    if memory.kind in ("marked", "journal") and memory.speaker:
        return words.said.format_map({"name": memory.speaker, "text": text})
    if memory.kind in ("summary", "chapter") and memory.title:
        return f"{memory.title}\n{text}"
    return text
