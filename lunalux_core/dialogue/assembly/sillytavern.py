"""The assembly of SillyTavern's chat completion, as in version 1.19.

Two differences are intended: fixed parts that do not fit raise an error instead of being cut, and the events
of messages that do not fit are sent as a memory after the main prompt.

See docs/spec/formats.md: SillyTavern assembly, Context and token counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from lunalux_core.dialogue.assembly.examples import example_texts, parse_block
from lunalux_core.dialogue.assembly.history import (
    HistoryEntry,
    HistoryFill,
    Room,
    fill_history,
    last_message,
    nothing_filled,
)
from lunalux_core.dialogue.assembly.injections import Injection, inject, joined, material_injections
from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt import Prompt, PromptMessage, PromptReport, slot_totals, too_large
from lunalux_core.dialogue.assembly.prompt_material import (
    CountTokens,
    Expand,
    HistoryMessage,
    NotePosition,
    PromptMaterial,
    budget_of,
)
from lunalux_core.dialogue.assembly.slots import MEMORY_SLOTS, Slot, Slots, memory_slot, resolve
from lunalux_core.llm.model import Role
from lunalux_core.presets.document import Preset

# OpenAI allows only these characters in a name, and at most 64 of them.
_NO_NAME_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")
# Headings that SillyTavern keeps as messages of their own.
_NOT_SQUASHED = frozenset({"newMainChat", "newExampleChat", "groupNudge"})


@dataclass(frozen=True, slots=True)
class _Examples:
    """The messages of the example blocks that fit, and how many blocks did and did not."""

    messages: tuple[PromptMessage, ...] = ()
    kept: int = 0
    dropped: int = 0


class SillyTavernAssembly:
    """One assembly. Use it through `assemble`."""

    def __init__(
        self, preset: Preset, material: PromptMaterial, expand: Expand, count_tokens: CountTokens
    ) -> None:
        self._preset = preset
        self._params = preset.params
        self._material = material
        self._expand = expand
        self._count = count_tokens
        self._labels = LABELS[material.language]
        self._budget = budget_of(preset, material)
        self._slots: Slots = resolve(preset, material, expand)

    def run(self) -> Prompt:
        """Make the fixed parts, fill the remaining tokens, and put all in order."""
        fixed = {slot.identifier: self._slot_messages(slot) for slot in self._slots.places}
        remembered = self._remembered()
        note, controls = self._relative_note(), self._controls()
        above, below = (self._standing(position) for position in ("before_main", "after_main"))
        head = self._new_chat()
        history = [message for message in self._material.history if not message.hidden]
        entries = self._entries(history)
        # Removes the reply to continue from `entries`, so it runs before the history is filled.
        tail, nudge = self._continuation(entries), self._group_nudge()
        mandatory = [
            *chain.from_iterable(fixed.values()),
            *remembered,
            *above,
            *below,
            *note,
            *head,
            *nudge,
            *tail,
            *controls,
        ]
        room = Room(self._budget)
        # All or nothing: without one of its fixed parts it would be a different prompt.
        if not room.take(*mandatory):
            raise too_large(self._budget, mandatory, self._preset)
        pinned = self._material.pin_examples
        # Pinned examples are filled before the history, others with the tokens that it leaves.
        examples = self._fill_examples(room) if pinned else None
        fill = self._fill(room, entries)
        self._check_newest(entries, fill, mandatory)
        examples = examples or self._fill_examples(room)
        memory = [fill.memory] if fill.memory else []
        # From the main prompt outwards: the note and the events, then memories, then trackers.
        before = self._material.note is not None and self._material.note.position == "before_main"
        fixed["main"] = [*note, *fixed["main"], *memory] if before else [*fixed["main"], *memory, *note]
        # Memories by default stand directly before the history, which continues them.
        ahead = remembered if self._has("chatHistory") and self._material.memory.position == "auto" else []
        if not ahead:
            first = self._material.memory.position == "before_main"
            fixed["main"] = [*remembered, *fixed["main"]] if first else [*fixed["main"], *remembered]
        fixed["main"] = [*above, *fixed["main"], *below]
        fixed["chatHistory"] = [*ahead, *head, *fill.pieces, *nudge]
        fixed["dialogueExamples"] = list(examples.messages)
        in_order = chain.from_iterable(fixed[slot.identifier] for slot in self._slots.places)
        return self._prompt([*in_order, *tail, *controls], len(history), fill, examples)

    # -- fixed parts -------------------------------------------------------------------------------

    def _has(self, identifier: str) -> bool:
        return any(slot.identifier == identifier for slot in self._slots.places)

    def _message(
        self, slot: str, content: str, role: Role = "system", name: str | None = None, id: str = ""
    ) -> PromptMessage:
        return PromptMessage(role, content, name, slot, self._count(content), id)

    def _messages(self, slot: str, content: str, role: Role = "system") -> list[PromptMessage]:
        return [self._message(slot, content, role)] if content else []

    def _slot_messages(self, slot: Slot) -> list[PromptMessage]:
        return self._messages(slot.identifier, slot.content, slot.role)

    def _remembered(self) -> list[PromptMessage]:
        """The memories, unless they go into a marker of the preset or to a depth."""
        memory = self._material.memory
        if memory.position == "in_chat":
            return []
        if memory.position == "auto" and any(
            memory_slot(self._preset, self._material, name) for name in MEMORY_SLOTS
        ):
            return []
        return self._messages("memory", memory.block)

    def _standing(self, position: NotePosition) -> list[PromptMessage]:
        """The standing texts beside the main prompt: one message for each source."""
        slots = dict.fromkeys(text.slot for text in self._material.standing if text.position == position)
        return [
            message
            for slot in slots
            for message in self._messages(slot, self._material.standing_at(position, slot=slot))
        ]

    def _new_chat(self) -> list[PromptMessage]:
        if not self._has("chatHistory"):
            return []
        params = self._params
        opening = params.new_group_chat_prompt if self._material.group else params.new_chat_prompt
        return self._messages("newMainChat", self._expand(opening))

    def _group_nudge(self) -> list[PromptMessage]:
        """In a group: the last message of the history, which says whose reply this is."""
        material = self._material
        if not material.group or material.type == "impersonate" or not self._has("chatHistory"):
            return []
        own = self._params.group_nudge_prompt
        return self._messages("groupNudge", self._expand(self._labels.group_nudge if own is None else own))

    def _relative_note(self) -> list[PromptMessage]:
        note = self._material.note
        if note is None or note.position == "in_chat":
            return []
        return self._messages("authorsNote", self._expand(self._material.note_text()), note.role)

    def _controls(self) -> list[PromptMessage]:
        """The instructions of impersonate and quiet, which are the last messages of the prompt."""
        messages = []
        if self._material.type == "impersonate":
            own = self._params.impersonation_prompt
            text = self._labels.impersonation if own is None else own
            messages += self._messages("impersonate", self._expand(text))
        return messages + self._messages("quietPrompt", self._expand(self._material.quiet))

    # -- history -----------------------------------------------------------------------------------

    def _entries(self, history: Sequence[HistoryMessage]) -> list[HistoryEntry]:
        return inject(
            history, joined(self._slots.injections, material_injections(self._material, self._expand))
        )

    def _continuation(self, entries: list[HistoryEntry]) -> list[PromptMessage]:
        """For *continue*: the last message moves to the end, with a nudge unless it is a prefill."""
        if self._material.type != "continue" or not self._has("chatHistory"):
            return []
        place = last_message(entries)
        if place is None:
            return []
        message = self._piece(entries.pop(place))
        if self._params.continue_prefill or self._material.goes_on:
            return [replace(message, slot="continuePrefill")]
        own = self._params.continue_nudge_prompt
        nudge = self._labels.continue_nudge if own is None else own
        text = expand_around(nudge, self._expand, {"lastChatMessage": message.content.strip()})
        return [replace(message, slot="continueNudge"), *self._messages("continueNudge", text)]

    def _piece(self, entry: HistoryEntry) -> PromptMessage:
        if isinstance(entry, Injection):
            return self._message(entry.slot, entry.content, entry.role)
        content = self._expand(entry.content.replace("\r", ""))
        # 2: names in all texts; 1: names in the field of the request; 0: in the texts of foreign messages.
        behavior = self._params.names_behavior
        prefixed = behavior == 2 or (behavior == 0 and entry.foreign)
        if prefixed and entry.name and entry.role != "system":
            content = f"{entry.name}: {content}"
        name = _NO_NAME_CHARACTER.sub("_", entry.name)[:64] if behavior == 1 else ""
        piece = self._message("chatHistory", content, entry.role, name or None, entry.id)
        return _with_pictures(piece, entry) if entry.pictures else piece

    def _fill(self, room: Room, entries: Sequence[HistoryEntry]) -> HistoryFill[PromptMessage]:
        if not self._has("chatHistory"):
            return nothing_filled(entries)
        empty = self._messages(
            "emptyUserMessageReplacement", self._expand(self._params.send_if_empty), "user"
        )
        # `room.take` is the last condition, so that nothing is subtracted for a message that is not sent.
        if not entries or entries[-1].role != "assistant" or not room.take(*empty):
            empty = []
        fill = fill_history(room, entries, self._material, self._piece, self._memory)
        return replace(fill, pieces=(*fill.pieces, *empty))

    def _memory(self, events: Sequence[str]) -> PromptMessage:
        return self._message("memory", "\n".join((self._labels.earlier_events, *events)))

    def _check_newest(
        self,
        entries: Sequence[HistoryEntry],
        fill: HistoryFill[PromptMessage],
        mandatory: Sequence[PromptMessage],
    ) -> None:
        place = last_message(entries)
        if place is None or not self._material.newest_required or not self._has("chatHistory"):
            return
        left_out = len(fill.dropped) + fill.injections_dropped
        # The entries that are left out are always the first ones.
        if place < left_out:
            raise too_large(self._budget, [*mandatory, *map(self._piece, entries[place:])], self._preset)

    # -- examples ----------------------------------------------------------------------------------

    def _fill_examples(self, room: Room) -> _Examples:
        if not self._has("dialogueExamples"):
            return _Examples()
        card = self._material.card
        head = self._message("newExampleChat", self._expand(self._params.new_example_chat_prompt))
        blocks = example_texts(self._material, self._expand)
        group = self._material.group
        fitting: list[PromptMessage] = []
        for number, block in enumerate(blocks):
            lines = parse_block(block, (self._material.user,), (card.called, card.name), group)
            messages = [self._message("dialogueExamples", line.content, name=line.speaker) for line in lines]
            # A block goes with its heading or not at all; after the first that does not fit, none follows, as
            # in SillyTavern.
            if not room.take(head, *messages):
                return _Examples(tuple(fitting), number, len(blocks) - number)
            fitting += [head, *messages]
        return _Examples(tuple(fitting), len(blocks))

    # -- the end -----------------------------------------------------------------------------------

    def _prompt(
        self,
        ordered: Iterable[PromptMessage],
        visible: int,
        fill: HistoryFill[PromptMessage],
        examples: _Examples,
    ) -> Prompt:
        sent = [message for message in ordered if message.content or message.pictures]
        # Counted before squashing, which joins several slots into one message.
        slots = slot_totals(sent)
        if self._params.squash_system_messages:
            sent = self._squashed(sent)
        report = PromptReport(
            budget=self._budget,
            total=sum(message.tokens for message in sent),
            slots=slots,
            history_kept=visible - len(fill.dropped),
            history_dropped=len(fill.dropped) + self._material.omitted,
            dropped_ids=tuple(message.id for message in fill.dropped if message.id),
            injections_dropped=fill.injections_dropped,
            memory_events=fill.events,
            examples_kept=examples.kept,
            examples_dropped=examples.dropped,
        )
        return Prompt(tuple(sent), report)

    def _squashed(self, messages: Iterable[PromptMessage]) -> list[PromptMessage]:
        """The messages with adjacent system messages without a name joined into one."""
        result: list[PromptMessage] = []
        for message in messages:
            if result and _squashable(message) and _squashable(result[-1]):
                last = result[-1]
                content = f"{last.content}\n{message.content}"
                slot = "+".join(dict.fromkeys((*last.slot.split("+"), message.slot)))
                result[-1] = self._message(slot, content)
            else:
                result.append(message)
        return result


def _with_pictures(piece: PromptMessage, entry: HistoryMessage) -> PromptMessage:
    cost = sum(picture.tokens for picture in entry.pictures)
    return replace(piece, pictures=entry.pictures, tokens=piece.tokens + cost)


def _squashable(message: PromptMessage) -> bool:
    return message.role == "system" and not message.name and message.slot not in _NOT_SQUASHED
