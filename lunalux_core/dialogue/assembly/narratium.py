"""The assembly of Narratium's frameworks: one system and one user message, both made of XML elements.

It corrects faults of the original: the card, its examples and its own instructions are always sent, the
memory element is left out where there are no memories, custom prompts are never lost, and inserted values
are not taken for patterns.

See docs/spec/formats.md: Narratium assembly, Preset files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lunalux_core.dialogue.assembly.examples import example_texts
from lunalux_core.dialogue.assembly.history import HistoryEntry, HistoryFill, Room, fill_history, last_message
from lunalux_core.dialogue.assembly.injections import Injection, inject, joined, material_injections
from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.narratium_layout import (
    LayoutPart,
    MessageSection,
    by_framework_rules,
    layout,
)
from lunalux_core.dialogue.assembly.placeholders import fill, placeholders_in
from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage, PromptReport, slot_totals, too_large
from lunalux_core.dialogue.assembly.prompt_material import (
    CountTokens,
    Expand,
    HistoryMessage,
    PromptMaterial,
    budget_of,
)
from lunalux_core.dialogue.assembly.slots import program_texts
from lunalux_core.presets.document import Preset

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef

_BETWEEN_EXAMPLES = "\n---\n"
_SECTIONS: tuple[MessageSection, ...] = ("system", "user")


@dataclass(frozen=True, slots=True)
class _Text:
    """A piece of the prompt's text with its cost in tokens, and the pictures that belong to it."""

    slot: str
    text: str
    tokens: int
    opening: bool = False
    pictures: tuple[PictureRef, ...] = ()


class NarratiumAssembly:
    """One assembly. Use it through `assemble`."""

    def __init__(
        self, preset: Preset, material: PromptMaterial, expand: Expand, count_tokens: CountTokens
    ) -> None:
        self._preset = preset
        self._material, self._before_input = by_framework_rules(material)
        self._expand = expand
        self._count = count_tokens
        self._frame = count_tokens("")
        self._labels = LABELS[material.language]
        self._budget = budget_of(preset, material)
        self._visible = [message for message in material.history if not message.hidden]

    def run(self) -> Prompt:
        """Lay out the elements, fill the tokens they leave with history and examples, and join them."""
        begun = self._begun()
        entries, spoken, after = self._entries()
        parts = layout(
            self._preset,
            self._material,
            self._expand,
            before_input=self._expand(self._before_input),
            after_input=_joined(entry for entry in after if not _is_instruction(entry)),
            instruction=_joined(filter(_is_instruction, after)),
        )
        texts = program_texts(self._preset, self._material, self._expand)
        # Values are filled in last, so that placeholders are never looked for inside a value.
        values = {name: text() for name, text in texts.items()} | {"userInput": self._said(spoken)}
        fixed = [piece for part in parts if (piece := self._piece(part, values))]
        remembered = self._remembered()
        if remembered is not None:
            fixed.append(remembered)
        # The frames of the two messages are subtracted here; pieces are counted without a frame.
        room = Room(self._budget - len(_SECTIONS) * self._frame)
        if begun is not None:
            fixed.append(_Text("continuePrefill", begun.content, begun.tokens))
        # The text of the message is counted with its element; here its pictures are added.
        if spoken is not None and spoken.pictures:
            fixed.append(_Text("chatHistory", "", sum(picture.tokens for picture in spoken.pictures)))
        if not room.take(*fixed):
            raise too_large(self._budget, fixed, self._preset)
        pinned = self._material.pin_examples
        # Pinned examples are filled before the history, others with the tokens that it leaves.
        examples, examples_dropped = self._fill_examples(parts, room) if pinned else ([], 0)
        history = self._fill_history(parts, room, entries, fixed)
        if not pinned:
            examples, examples_dropped = self._fill_examples(parts, room)
        values |= {
            "chatHistory": self._story(history.pieces),
            "memory": "\n\n".join(text.text for text in (remembered, history.memory) if text),
            "dialogueExamples": _BETWEEN_EXAMPLES.join(example.text for example in examples),
        }
        # The story is one text, so its pictures go with the request's last message.
        shown = tuple(picture for piece in history.pieces for picture in piece.pictures)
        if spoken is not None:
            shown += spoken.pictures
        messages = (*self._messages(parts, values, spoken, shown), *([begun] if begun else []))
        pieces = [*fixed, *history.pieces, *examples, *([history.memory] if history.memory else [])]
        report = PromptReport(
            budget=self._budget,
            total=sum(message.tokens for message in messages),
            slots=slot_totals(pieces),
            history_kept=len(self._visible) - len(history.dropped) + (begun is not None),
            history_dropped=len(history.dropped) + self._material.omitted,
            dropped_ids=tuple(message.id for message in history.dropped if message.id),
            injections_dropped=history.injections_dropped,
            memory_events=history.events,
            examples_kept=len(examples),
            examples_dropped=examples_dropped,
        )
        return Prompt(messages, report)

    # -- pieces ------------------------------------------------------------------------------------

    def _begun(self) -> PromptMessage | None:
        """The reply to continue, removed from the history, where the model continues it without a nudge."""
        material = self._material
        goes_on = material.type == "continue" and material.goes_on
        if not goes_on or not self._visible or self._visible[-1].role != "assistant":
            return None
        last = self._visible.pop()
        text = self._expand(last.content.replace("\r", ""))
        return PromptMessage("assistant", text, None, "continuePrefill", self._count(text), last.id)

    def _entries(self) -> tuple[list[HistoryEntry], HistoryMessage | None, Sequence[HistoryEntry]]:
        """The history before the person's last message, that message, and the texts after it (depth 0)."""
        entries = inject(self._visible, joined((), material_injections(self._material, self._expand)))
        # The texts of depth 0 follow the newest message, and go after the person's words.
        place = last_message(entries)
        takes_input = self._material.type in ("normal", "swipe", "regenerate")
        if place is None or not takes_input or self._visible[-1].role != "user":
            wishes = [
                entry for entry in entries[(-1 if place is None else place) + 1 :] if _is_instruction(entry)
            ]
            # Without a new message, texts at depth 0 stay in the story; instructions still follow it.
            return [entry for entry in entries if entry not in wishes], None, wishes
        return entries[:place], self._visible[-1], entries[place + 1 :]

    def _said(self, message: HistoryMessage | None) -> str:
        return "" if message is None else self._spoken(message, named=message.foreign)

    def _spoken(self, message: HistoryMessage, *, named: bool) -> str:
        text = self._expand(message.content.replace("\r", ""))
        if message.pictures:  # sent with the last message of the request; the text says whose they are
            from lunalux_core.documents.picture_refs import in_words

            text = in_words(text, message.pictures)
        if not named or message.role == "system":
            return text
        usual = self._material.user if message.role == "user" else self._material.card.called
        return f"{message.name or usual}: {text}"

    def _cost(self, text: str) -> int:
        """Tokens of a text inside a message, without the frame of the message."""
        return self._count(text) - self._frame

    def _piece(self, part: LayoutPart, values: Mapping[str, str]) -> _Text | None:
        """The part without the values that are filled in later; None where it is empty without them."""
        text = _rendered(part, values)
        return _Text(part.slot, text, self._cost(text)) if text else None

    def _line(self, entry: HistoryEntry) -> _Text:
        if isinstance(entry, Injection):
            return _Text(entry.slot, entry.content, self._cost(entry.content))
        text = self._spoken(entry, named=True)
        above = self._material.omitted or self._material.replaced
        begins = entry is self._visible[0] and entry.role == "assistant" and not above
        # One token for the line break that joins it to the next.
        cost = self._cost(text) + 1 + sum(picture.tokens for picture in entry.pictures)
        return _Text("chatHistory", text, cost, opening=begins, pictures=entry.pictures)

    def _remembered(self) -> _Text | None:
        """The memories and standing texts for the memory element."""
        memory = self._material.memory
        told = memory.facts if "summary" in memory.placed else memory.whole
        told = "" if memory.position == "in_chat" else told
        standing = self._material.standing_at("before_main", "after_main")
        text = "\n\n".join(filter(None, (told, standing)))
        if not text:
            return None
        return _Text("memory", text, self._cost(f"<memory>\n{text}\n</memory>"))

    def _memory(self, events: Sequence[str]) -> _Text:
        text = "\n".join((self._labels.earlier_events, *events))
        return _Text("memory", text, self._cost(f"<memory>\n{text}\n</memory>"))

    # -- filling -----------------------------------------------------------------------------------

    def _fill_history(
        self, parts: Sequence[LayoutPart], room: Room, entries: Sequence[HistoryEntry], fixed: Sequence[_Text]
    ) -> HistoryFill[_Text]:
        if not _places(parts, "chatHistory"):
            return HistoryFill(dropped=tuple(entry for entry in entries if isinstance(entry, HistoryMessage)))
        around = f"<chatHistory>\n{self._labels.opening}\n\n{self._labels.recent}\n</chatHistory>"
        # The headings of the story, which are sent as soon as it has one line.
        room.left -= self._cost(around) if entries else 0
        history = fill_history(room, entries, self._material, self._line, self._memory)
        newest = last_message(entries)
        needed = self._material.newest_required and self._material.type == "continue"
        if needed and newest is not None and newest < len(entries) - len(history.pieces):
            raise too_large(self._budget, [*fixed, *map(self._line, entries[newest:])], self._preset)
        return history

    def _fill_examples(self, parts: Sequence[LayoutPart], room: Room) -> tuple[list[_Text], int]:
        """The example blocks that fit, and how many do not."""
        if not _places(parts, "dialogueExamples"):
            return [], 0
        texts: list[_Text] = []
        blocks = [text for text in example_texts(self._material, self._expand) if text]
        for number, block in enumerate(blocks):
            # The element is counted for each block although it is sent once, so the estimate is never too
            # small.
            cost = self._cost(f"<dialogueExamples>\n{block}\n</dialogueExamples>")
            piece = _Text("dialogueExamples", block, cost)
            if not room.take(piece):
                return texts, len(blocks) - number
            texts.append(piece)
        return texts, 0

    def _story(self, lines: Sequence[_Text]) -> str:
        """The history as text: how it began, and what happened last."""
        opening = "\n".join(line.text for line in lines if line.opening)
        recent = "\n".join(line.text for line in lines if not line.opening)
        titled = ((self._labels.opening, opening), (self._labels.recent, recent))
        return "\n\n".join(f"{title}\n{text}" for title, text in titled if text)

    def _messages(
        self,
        parts: Sequence[LayoutPart],
        values: Mapping[str, str],
        spoken: HistoryMessage | None,
        shown: tuple[PictureRef, ...],
    ) -> tuple[PromptMessage, ...]:
        messages = []
        for section in _SECTIONS:
            rendered = (_rendered(part, values) for part in parts if part.section == section)
            text = "\n\n".join(filter(None, rendered))
            identity = spoken.id if spoken and section == "user" else ""
            pictures = shown if section == "user" else ()
            if text or pictures:
                cost = self._count(text) + sum(picture.tokens for picture in pictures)
                messages.append(PromptMessage(section, text, None, section, cost, identity, pictures))
        return tuple(messages)


def _joined(entries: Iterable[HistoryEntry]) -> str:
    return "\n".join(entry.content for entry in entries if isinstance(entry, Injection))


def _is_instruction(entry: HistoryEntry) -> bool:
    """Whether it is an instruction for the reply rather than a part of the story."""
    return isinstance(entry, Injection) and entry.slot == "instruction"


def _rendered(part: LayoutPart, values: Mapping[str, str]) -> str:
    text = fill(part.text, values).strip()
    return f"<{part.element}>\n{text}\n</{part.element}>" if text and part.element else text


def _places(parts: Sequence[LayoutPart], name: str) -> bool:
    return any(name in placeholders_in(part.text) for part in parts)
