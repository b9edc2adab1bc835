"""The assembly of SillyTavern's chat completion (FORMATS 3.2), as 1.19 does it.

Two things differ on purpose: fixed parts that do not fit are refused instead of cut, and the events of
messages that were cut come back as a memory behind the main prompt (FORMATS 7.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from lunalux_core.cards.preset import Preset
from lunalux_core.dialogue.assembly.examples import example_texts, parse_block
from lunalux_core.dialogue.assembly.history import MEMORY_SHARE, NewestFirst, Room, newest_events
from lunalux_core.dialogue.assembly.injections import Injection, inject, joined, material_injections
from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.material import CountTokens, Expand, HistoryMessage, PromptMaterial
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt import (
    Prompt,
    PromptMessage,
    PromptReport,
    slot_totals,
    too_large,
)
from lunalux_core.dialogue.assembly.slots import Slots, resolve
from lunalux_core.llm.model import Role

REPLY_PRIMER = 3
"""Tokens that begin every reply, outside all messages."""
FACTORY_CONTEXT, FACTORY_REPLY = 4095, 300

_NO_NAME_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")
_NOT_SQUASHED = frozenset({"newMainChat", "newExampleChat"})


def budget_of(preset: Preset, material: PromptMaterial) -> int:
    """Tokens for the prompt: the material's, else the preset's, else SillyTavern's factory values."""
    if material.budget is not None:
        return material.budget - REPLY_PRIMER
    params = preset.params
    context = params.context_tokens or FACTORY_CONTEXT
    return context - (params.sampling.max_tokens or FACTORY_REPLY) - REPLY_PRIMER


@dataclass(slots=True)
class _Filled:
    """What was found for history and examples."""

    history: list[PromptMessage] = field(default_factory=list)
    dropped: list[HistoryMessage] = field(default_factory=list)
    injections_dropped: int = 0
    memory: list[PromptMessage] = field(default_factory=list)
    events: int = 0
    examples: list[PromptMessage] = field(default_factory=list)
    examples_kept: int = 0
    examples_dropped: int = 0


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
        self._budget = budget_of(preset, material)
        self._slots: Slots = resolve(preset, material, expand)
        self._has_history = self._has("chatHistory")

    def run(self) -> Prompt:
        fixed = {
            slot.identifier: self._messages(slot.identifier, slot.content, slot.role)
            for slot in self._slots.places
        }
        note = self._relative_note()
        controls = self._controls()
        head = (
            self._messages("newMainChat", self._expand(self._params.new_chat_prompt))
            if self._has_history
            else []
        )
        history = [one for one in self._material.history if not one.hidden]
        entries = self._entries(history)
        tail = self._continuation(entries) if self._has_history else []
        mandatory = [*(m for ms in fixed.values() for m in ms), *note, *head, *tail, *controls]
        room = Room(self._budget)
        if not room.take(*mandatory):
            raise too_large(self._budget, mandatory)
        filled = self._fill(room, entries, history, mandatory, bool(tail))
        ordered: list[PromptMessage] = []
        for slot in self._slots.places:
            if slot.identifier == "chatHistory":
                ordered += [*head, *filled.history]
            elif slot.identifier == "dialogueExamples":
                ordered += filled.examples
            elif slot.identifier == "main":
                main = [*fixed["main"], *filled.memory]
                note_first = self._material.note is not None and self._material.note.position == "before_main"
                ordered += [*note, *main] if note_first else [*main, *note]
            else:
                ordered += fixed[slot.identifier]
        ordered += [*tail, *controls]
        return self._prompt(ordered, filled, history)

    # -- fixed parts -------------------------------------------------------------------------------

    def _has(self, identifier: str) -> bool:
        return any(slot.identifier == identifier for slot in self._slots.places)

    def _message(
        self, slot: str, content: str, role: Role = "system", name: str | None = None, id: str = ""
    ) -> PromptMessage:
        return PromptMessage(role, content, name, slot, self._count(content), id)

    def _messages(self, slot: str, content: str, role: Role = "system") -> list[PromptMessage]:
        return [self._message(slot, content, role)] if content else []

    def _relative_note(self) -> list[PromptMessage]:
        note = self._material.note
        if note is None or note.position == "in_chat":
            return []
        return self._messages("authorsNote", self._expand(self._material.note_text()), note.role)

    def _controls(self) -> list[PromptMessage]:
        """The instruction of impersonate or quiet, the very last messages of the prompt."""
        found = []
        if self._material.type == "impersonate":
            text = self._params.impersonation_prompt or LABELS[self._material.language].impersonation
            found += self._messages("impersonate", self._expand(text))
        return found + self._messages("quietPrompt", self._expand(self._material.quiet))

    # -- history -----------------------------------------------------------------------------------

    def _entries(self, history: Sequence[HistoryMessage]) -> list[HistoryMessage | Injection]:
        return inject(
            history, joined(self._slots.injections, material_injections(self._material, self._expand))
        )

    def _continuation(self, entries: list[HistoryMessage | Injection]) -> list[PromptMessage]:
        """For *continue*: the last message goes behind everything, with a nudge unless it is a prefill."""
        if self._material.type != "continue":
            return []
        last = next((one for one in reversed(entries) if isinstance(one, HistoryMessage)), None)
        if last is None:
            return []
        entries.remove(last)
        message = self._piece(last)
        if self._params.continue_prefill:
            return [replace(message, slot="continuePrefill")]
        nudge = self._params.continue_nudge_prompt or LABELS[self._material.language].continue_nudge
        text = expand_around(nudge, self._expand, {"lastChatMessage": message.content.strip()})
        return [replace(message, slot="continueNudge"), *self._messages("continueNudge", text)]

    def _piece(self, entry: HistoryMessage | Injection) -> PromptMessage:
        if isinstance(entry, Injection):
            return self._message(entry.slot, entry.content, entry.role)
        content = self._expand(entry.content.replace("\r", ""))
        behavior = self._params.names_behavior
        prefixed = behavior == 2 or (behavior == 0 and entry.foreign)
        if prefixed and entry.name and entry.role != "system":
            content = f"{entry.name}: {content}"
        name = _NO_NAME_CHARACTER.sub("_", entry.name)[:64] if behavior == 1 else ""
        return self._message("chatHistory", content, entry.role, name or None, entry.id)

    def _fill(
        self,
        room: Room,
        entries: list[HistoryMessage | Injection],
        history: Sequence[HistoryMessage],
        mandatory: Sequence[PromptMessage],
        continued: bool,
    ) -> _Filled:
        filled = _Filled()
        if self._material.pin_examples:
            self._fill_examples(room, filled)
        if self._has_history:
            self._fill_history(room, entries, filled)
            self._check_newest(entries, filled, mandatory)
        else:
            filled.dropped = list(history)
            filled.injections_dropped = len(entries) - len(history)
        if not self._material.pin_examples:
            self._fill_examples(room, filled)
        return filled

    def _fill_history(self, room: Room, entries: list[HistoryMessage | Injection], filled: _Filled) -> None:
        empty = self._messages(
            "emptyUserMessageReplacement", self._expand(self._params.send_if_empty), "user"
        )
        if not entries or entries[-1].role != "assistant" or not room.take(*empty):
            empty = []
        newest = NewestFirst(entries, self._piece)
        trial = Room(room.left)
        chosen = newest.fitting(trial)
        share = min(room.left, self._budget // MEMORY_SHARE)
        if (len(chosen) < len(entries) or self._material.omitted) and self._some_events(entries):
            trial = Room(room.left - share)
            chosen = newest.fitting(trial)
            left_out = entries[: len(entries) - len(chosen)]
            filled.memory, filled.events = self._memory(left_out, share)
            trial.left += share - sum(one.tokens for one in filled.memory)
        left_out = entries[: len(entries) - len(chosen)]
        filled.dropped = [one for one in left_out if isinstance(one, HistoryMessage)]
        filled.injections_dropped = len(left_out) - len(filled.dropped)
        filled.history = [*reversed(chosen), *empty]
        room.left = trial.left

    def _some_events(self, entries: Iterable[HistoryMessage | Injection]) -> bool:
        return bool(self._material.earlier_events) or any(
            isinstance(one, HistoryMessage) and one.event for one in entries
        )

    def _memory(
        self, left_out: Iterable[HistoryMessage | Injection], share: int
    ) -> tuple[list[PromptMessage], int]:
        """The newest events of what is not in the prompt, as one message of at most `share` tokens."""
        events = [*self._material.earlier_events]
        events += [one.event for one in left_out if isinstance(one, HistoryMessage) and one.event]
        label = LABELS[self._material.language].memory

        def message(lines: Sequence[str]) -> PromptMessage:
            return self._message("memory", "\n".join((label, *lines)))

        kept = newest_events(events, lambda lines: message(lines).tokens <= share)
        return ([message(kept)], len(kept)) if kept else ([], 0)

    def _check_newest(
        self,
        entries: Sequence[HistoryMessage | Injection],
        filled: _Filled,
        mandatory: Sequence[PromptMessage],
    ) -> None:
        real = [one for one in entries if isinstance(one, HistoryMessage)]
        if not self._material.newest_required or not real or len(filled.dropped) < len(real):
            return
        after = entries[entries.index(real[-1]) :]
        raise too_large(self._budget, [*mandatory, *map(self._piece, after)])

    # -- examples ----------------------------------------------------------------------------------

    def _fill_examples(self, room: Room, filled: _Filled) -> None:
        if not self._has("dialogueExamples"):
            return
        card = self._material.card
        head = self._message("newExampleChat", self._expand(self._params.new_example_chat_prompt))
        blocks = example_texts(self._material, self._expand)
        for number, block in enumerate(blocks):
            lines = parse_block(block, (self._material.user,), (card.called, card.name))
            messages = [self._message("dialogueExamples", line.content, name=line.speaker) for line in lines]
            if not room.take(head, *messages):
                filled.examples_dropped = len(blocks) - number
                return
            filled.examples += [head, *messages]
            filled.examples_kept += 1

    # -- the end -----------------------------------------------------------------------------------

    def _prompt(
        self, ordered: Iterable[PromptMessage], filled: _Filled, history: Sequence[HistoryMessage]
    ) -> Prompt:
        sent = [message for message in ordered if message.content]
        slots = slot_totals(sent)
        if self._params.squash_system_messages:
            sent = self._squashed(sent)
        report = PromptReport(
            budget=self._budget,
            total=sum(message.tokens for message in sent),
            slots=slots,
            history_kept=len(history) - len(filled.dropped),
            history_dropped=len(filled.dropped) + self._material.omitted,
            dropped_ids=tuple(one.id for one in filled.dropped if one.id),
            injections_dropped=filled.injections_dropped,
            memory_events=filled.events,
            examples_kept=filled.examples_kept,
            examples_dropped=filled.examples_dropped,
        )
        return Prompt(tuple(sent), report)

    def _squashed(self, messages: Iterable[PromptMessage]) -> list[PromptMessage]:
        """Adjacent system messages without a name as one (FORMATS 3.2 item 11)."""
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


def _squashable(message: PromptMessage) -> bool:
    return message.role == "system" and not message.name and message.slot not in _NOT_SQUASHED
