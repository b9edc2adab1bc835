"""The assembly for text completion: the same material as for chats, but one text instead of messages.

Worldbooks, notes, texts at a depth, examples and the budget work as in the other assemblies. A template says
how they are written, and texts at a depth are filled before the history, both as in SillyTavern. Three
differences from SillyTavern are intended: a turn that is continued never gets its name twice, fixed parts
that do not fit raise an error, and the events of turns that do not fit are sent as a memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lunalux_core.dialogue.assembly.history import MEMORY_SHARE
from lunalux_core.dialogue.assembly.injections import Injection, inject, joined, material_injections
from lunalux_core.dialogue.assembly.labels import LABELS
from lunalux_core.dialogue.assembly.material import CountTokens, Expand, HistoryMessage, PromptMaterial
from lunalux_core.dialogue.assembly.placeholders import expand_around
from lunalux_core.dialogue.assembly.prompt import (
    Prompt,
    PromptMessage,
    PromptReport,
    TextForm,
    slot_totals,
    too_large,
)
from lunalux_core.templates.cleanup import Cleaning
from lunalux_core.templates.sequence_marks import sequence_marks
from lunalux_core.templates.stops import StopWishes, stop_strings
from lunalux_core.templates.story import around_story, collapsed, render_story
from lunalux_core.templates.turns import (
    LastLine,
    Names,
    TextTurn,
    format_examples,
    format_last_line,
    format_turn,
    open_turn,
    split_examples,
)
from lunalux_core.templates.values import ROLES, TextTemplate

_STORY_SLOT = "storyString"


@dataclass(frozen=True, slots=True)
class TextWishes:
    """Options of one turn beside its material.

    Args:
        start: the words that the reply begins with.
        loud: whether the character answers a quiet instruction, with its name.
        own_stops: the person's own stop strings.
        strip_examples: whether the story string contains the examples, so that they do not follow it.
        collapse: whether empty lines are removed.
        raw_length: how many messages the chat has, including hidden ones.
        user_last: whether the last of them is the person's.
    """

    start: str = ""
    loud: bool = False
    anchor_before: str = ""
    anchor_after: str = ""
    own_stops: tuple[str, ...] = ()
    single_line: bool = False
    strip_examples: bool = False
    collapse: bool = False
    card_prompts: bool = True
    card_instructions: bool = True
    force_name: bool | None = None
    raw_length: int | None = None
    user_last: bool | None = None


@dataclass(slots=True)
class _Piece:
    """A turn as text. `own` is the message it comes from, None for texts put between messages."""

    text: str
    slot: str
    turn: TextTurn
    own: HistoryMessage | None = None


@dataclass(slots=True)
class _FittingTurns:
    """Which turns fit.

    Args:
        indexes: their indexes in the list of all turns.
        aligned: whether the alignment turn comes before them.
        earlier_events: the formatted events of turns that do not fit, `events` of them.
    """

    indexes: set[int] = field(default_factory=set)
    aligned: bool = False
    earlier_events: str = ""
    events: int = 0


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """The text and its parts."""

    story: str
    around: str
    examples: tuple[str, ...]
    chat_start: str
    turns: tuple[str, ...]
    ending: str
    continued: str | None
    last_line: str
    prompt: Prompt

    @property
    def text(self) -> str:
        return self.prompt.text


class TextAssembly:
    """One assembly of a text.

    Args:
        count_tokens: tokens of a text alone, without the frame of a message.
    """

    def __init__(
        self,
        template: TextTemplate,
        material: PromptMaterial,
        expand: Expand,
        count_tokens: CountTokens,
        wishes: TextWishes = TextWishes(),
    ) -> None:
        self._template = template
        self._context = template.context
        self._instruct = template.instruct
        self._material = material
        self._expand = expand
        self._count = count_tokens
        self._wishes = wishes
        self._names = Names(material.user, material.card.called, material.group)
        self._continues = material.type == "continue"
        self._limit = material.budget if material.budget is not None else 4096

    def run(self) -> TextPrompt:
        """Raises InvalidInput: TEMPLATE_SYNTAX, PROMPT_TOO_LARGE."""
        blocks = self._blocks()
        formatted = format_examples(blocks, self._context, self._instruct, self._names, self._expand)
        story = self._story(blocks, formatted)
        around = around_story(story, self._context, self._instruct, self._expand)
        examples = [] if self._wishes.strip_examples else formatted
        pieces = self._pieces(story)
        # The turn to continue is the end of the text, so it must always fit.
        continued = pieces.pop() if self._continues and len(pieces) > 1 else None
        # Then the story string is inserted among the turns (`_injections`).
        if self._context.in_chat:
            around = ""
        fixed = _FixedTexts(
            story=around,
            examples="".join(examples) if self._material.pin_examples else "",
            alignment=self._alignment(),
            chat_start=self._chat_start(),
            last=self._ending("", None),
            continued=continued.text if continued else "",
            remembered=self._remembered(),
        )
        kept = self._fill(pieces, fixed)
        self._check(pieces, kept, fixed)
        example_count = self._take_examples(examples, pieces, kept, fixed)
        turns = self._chosen(pieces, kept, fixed)
        if continued is not None:
            example_count, turns = self._shrunk(examples, example_count, turns, fixed)
        return self._finished(
            story, examples[:example_count], pieces, turns, kept, fixed, continued, len(examples)
        )

    # -- before the turns --------------------------------------------------------------------------

    def _field(self, text: str) -> str:
        """A field of a card without carriage returns, stripped and expanded."""
        return self._replaced(text.replace("\r", "").strip())

    def _replaced(self, text: str) -> str:
        expanded = self._expand(text).replace("\r", "")
        return collapsed(expanded) if self._wishes.collapse else expanded

    def _override(self, card: str, original: str, wanted: bool) -> str:
        """The card's own text instead of the template's; `{{original}}` inserts that, not expanded."""
        own = card.replace("\r", "").strip() if wanted else ""
        if not own:
            return self._replaced(original)
        return expand_around(own, self._expand, {"original": original}, once=True)

    def _blocks(self) -> list[str]:
        """Example blocks of the card, with the worldbook's before and after them."""
        card, material = self._material.card, self._material

        def split(text: str) -> list[str]:
            return split_examples(self._field(text), self._context, self._instruct, self._expand)

        blocks = split(card.mes_example)
        for text in material.examples_top:
            blocks = [*split(text), *blocks]
        for text in material.examples_bottom:
            blocks += split(text)
        return blocks

    def _story(self, blocks: Sequence[str], examples: Sequence[str]) -> str:
        card, material = self._material.card, self._material
        before, after = self._anchors()
        values = {
            "system": self._system(),
            "description": self._field(card.description),
            "personality": self._field(card.personality),
            "scenario": self._field(card.scenario),
            "persona": self._field(material.persona),
            "wiBefore": self._expand(material.before),
            "wiAfter": self._expand(material.after),
            "anchorBefore": before,
            "anchorAfter": after,
            "mesExamples": "".join(examples),
            "mesExamplesRaw": "".join(blocks),
            "char": self._names.char,
            "user": self._names.user,
        }
        values |= {"loreBefore": values["wiBefore"], "loreAfter": values["wiAfter"]}
        return render_story(self._context, self._instruct, values, self._expand)

    def _anchors(self) -> tuple[str, str]:
        """The texts before and after the story string: the note, memories and standing texts."""
        note = self._material.note
        before, after = [self._wishes.anchor_before], [self._wishes.anchor_after]
        if note is not None and note.position == "before_main":
            before.append(self._material.note_text())
        if note is not None and note.position == "after_main":
            after.append(self._material.note_text())
        sides = [self._expand("\n".join(filter(None, side))).strip() for side in (before, after)]
        memory = self._material.memory
        if memory.block and memory.position in ("before_main", "after_main"):
            side = ("before_main", "after_main").index(memory.position)
            sides[side] = "\n".join(filter(None, (sides[side], memory.block)))
        for side, position in enumerate(("before_main", "after_main")):
            sides[side] = "\n".join(filter(None, (sides[side], self._material.standing_at(position))))  # type: ignore[arg-type]
        return sides[0], sides[1]

    def _remembered(self) -> str:
        """The memories as a turn before all others, where no other position is set for them."""
        memory = self._material.memory
        if memory.position != "auto" or not memory.block:
            return ""
        return format_turn(TextTurn("system", memory.block), self._instruct, self._names, self._expand)

    def _system(self) -> str:
        """The system prompt, or the card's instead. With an instruct template it is expanded once more, so
        that macros in an inserted original are expanded too."""
        sysprompt = self._template.sysprompt
        if sysprompt is None:
            return ""
        card = self._material.card.system_prompt
        text = self._override(card, sysprompt.content, self._wishes.card_prompts)
        return self._expand(text) if self._instruct is not None else text

    def _post_history(self) -> str:
        sysprompt = self._template.sysprompt
        if sysprompt is None:
            return ""
        card = self._material.card.post_history_instructions
        return self._override(card, sysprompt.post_history, self._wishes.card_instructions)

    def _chat_start(self) -> str:
        start = self._context.chat_start
        return self._expand(f"{start}\n") if start else ""

    def _alignment(self) -> str:
        if self._instruct is None or not self._instruct.user_alignment_message:
            return ""
        turn = TextTurn("user", self._expand(self._instruct.user_alignment_message), self._names.user)
        return format_turn(turn, self._instruct, self._names, self._expand, "first")

    # -- turns -------------------------------------------------------------------------------------

    def _pieces(self, story: str) -> list[_Piece]:
        """All turns, oldest first, formatted; a turn to continue is the last, without its end sequence."""
        entries = self._entries(story)
        last_user = max((at for at, entry in enumerate(entries) if entry.turn.role == "user"), default=-1)
        for at, entry in enumerate(entries):
            if self._continues and at == len(entries) - 1:
                entry.text = open_turn(entry.turn, self._instruct, self._names, self._expand)
                continue
            is_last = at == last_user and self._material.type != "impersonate"
            place = "last" if is_last else "first" if at == 0 else "between"
            entry.text = format_turn(entry.turn, self._instruct, self._names, self._expand, place)  # type: ignore[arg-type]
        return entries or [_Piece("", "chatHistory", TextTurn("assistant", ""))]

    def _entries(self, story: str) -> list[_Piece]:
        material = self._material
        history = [message for message in material.history if not message.hidden]
        begins = bool(material.history) and not (material.omitted or material.replaced)
        turns = [self._turn(message, begins and message is material.history[0]) for message in history]
        injections = joined((), self._injections(story))
        if self._continues:  # nothing may follow the turn to continue
            injections = [replace(injection, depth=max(injection.depth, 1)) for injection in injections]
        entries = [
            entry if isinstance(entry, _Piece) else self._injected(entry)
            for entry in inject(turns, injections)
        ]
        if after := self._post_history():
            # Before the turn to continue, which must stay the last.
            place = max(len(entries) - 1, 0) if self._continues else len(entries)
            entries.insert(place, _Piece("", "postHistory", TextTurn("user", after)))
        return entries

    def _turn(self, message: HistoryMessage, first: bool) -> _Piece:
        """A message as a turn. Macros are expanded only in the first of a chat, which is the greeting."""
        text = self._expand(message.content) if first else message.content
        return _Piece("", "chatHistory", TextTurn(message.role, text, message.name, message.foreign), message)

    def _injections(self, story: str) -> list[Injection]:
        """Texts at a depth, with the story string, if it is one of them, before those of the worldbook."""
        injections = material_injections(self._material, self._expand)
        context = self._context
        if context.in_chat and story.strip():
            role = ROLES[context.story_string_role]
            own = Injection(context.story_string_depth, role, story, slot=_STORY_SLOT)
            place = next(
                (at for at, injection in enumerate(injections) if injection.slot == "worldInfoDepth"),
                len(injections),
            )
            injections.insert(place, own)
        return injections

    def _injected(self, injection: Injection) -> _Piece:
        name = {"user": self._names.user, "assistant": self._names.char}.get(injection.role, "")
        return _Piece("", injection.slot, TextTurn(injection.role, injection.content, name))

    # -- the end -----------------------------------------------------------------------------------

    def _ending(self, last: str, continued: _Piece | None) -> str:
        """The text after the last turn.

        Args:
            last: that turn as text: some endings begin with a line break if it does not end with one.
        """
        text = last
        quiet = self._expand(self._material.quiet)
        if quiet and self._instruct is None:
            text += f"\n{quiet}"
            if not self._wishes.loud:
                return text[len(last) :]
        elif quiet:
            turn = TextTurn("system", quiet, self._names.user)
            text += format_turn(turn, self._instruct, self._names, self._expand)
        if self._instruct is not None:
            text += "" if self._continues else self._last_line()
        else:
            text = self._plain_ending(text, continued)
        return text[len(last) :]

    def _last_line(self) -> str:
        """The template's line that the reply continues."""
        assert self._instruct is not None
        impersonate = self._material.type == "impersonate"
        quiet = bool(self._material.quiet)
        name = self._names.user if impersonate else self._names.char
        if quiet and not self._wishes.loud and not impersonate:
            name = "System"
        line = LastLine(
            impersonate, self._start(), quiet and self._material.type == "quiet", self._wishes.loud
        )
        return format_last_line(name, line, self._instruct, self._names, self._expand)

    def _start(self) -> str:
        if self._material.type in ("impersonate", "continue"):
            return ""
        return self._expand(self._wishes.start)

    def _plain_ending(self, text: str, continued: _Piece | None) -> str:
        """Without an instruct template: a new line with a name, and the beginning of the reply."""
        names, kind = self._names, self._material.type
        forced = self._wishes.force_name
        forced = self._context.always_force_name2 if forced is None else forced
        if kind == "impersonate":
            text = _new_line(text) + f"{names.user}:"
        elif forced and self._continues:
            nameless = continued is not None and continued.turn.role == "system"
            if nameless and self._raw_length() != 1:
                text = _new_line(text) + f"{names.char}:"
        elif forced:
            text = _new_line(text) + f"{names.char}:"
        start = self._start().strip() and self._start().lstrip()
        if start:
            text += start if text[-1:].isspace() else f" {start}"
        return text

    def _raw_length(self) -> int:
        length = self._wishes.raw_length
        material = self._material
        return len(material.history) + material.omitted + material.replaced if length is None else length

    # -- what fits ---------------------------------------------------------------------------------

    def _cost(self, *texts: str) -> int:
        return self._count("".join(texts).replace("\r", ""))

    def _fill(self, pieces: Sequence[_Piece], fixed: _FixedTexts) -> _FittingTurns:
        """Take texts at a depth first, then the newest turns; a share is reserved for events of turns that do
        not fit."""
        base = self._cost(
            fixed.story,
            fixed.examples,
            fixed.alignment,
            fixed.chat_start,
            fixed.last,
            fixed.continued,
            fixed.remembered,
        )
        kept = self._filled(pieces, base, self._limit, fixed)
        events = self._events(pieces, kept)
        if not events:
            return kept
        # Filled twice: only the first time shows that some turns do not fit, and so that events need a share.
        share = max(self._limit - base, 0) // MEMORY_SHARE
        kept = self._filled(pieces, base, self._limit - share, fixed)
        # The oldest events are left out first: those next to the turns that are sent matter more.
        for begin in range(len(events := self._events(pieces, kept))):
            heading_and_events = "\n".join((LABELS[self._material.language].earlier_events, *events[begin:]))
            text = format_turn(
                TextTurn("system", heading_and_events), self._instruct, self._names, self._expand
            )
            if self._cost(text) <= share:
                kept.earlier_events, kept.events = text, len(events) - begin
                break
        return kept

    def _filled(self, pieces: Sequence[_Piece], base: int, limit: int, fixed: _FixedTexts) -> _FittingTurns:
        kept, spent, oldest = _FittingTurns(), base, len(pieces) - 1
        # Texts at a depth before the turns, as in SillyTavern's text completion.
        between = [at for at in range(len(pieces) - 1, -1, -1) if _is_injected(pieces[at])]
        others = [at for at in range(len(pieces) - 1, -1, -1) if not _is_injected(pieces[at])]
        for indexes in (between, others):
            for at in indexes:
                spent += self._cost(pieces[at].text)
                # `>=`, because SillyTavern keeps a prompt below the limit.
                if spent >= limit:
                    break
                kept.indexes.add(at)
                oldest = min(oldest, at)
        # The alignment turn is sent where the history that fits does not begin with the person.
        kept.aligned = bool(fixed.alignment) and not (oldest >= 0 and pieces[oldest].turn.role == "user")
        return kept

    def _events(self, pieces: Sequence[_Piece], kept: _FittingTurns) -> list[str]:
        cut = [piece.own for at, piece in enumerate(pieces) if at not in kept.indexes and piece.own]
        if not cut and not self._material.omitted:
            return []
        return [*self._material.earlier_events, *(message.event for message in cut if message.event)]

    def _chosen(self, pieces: Sequence[_Piece], kept: _FittingTurns, fixed: _FixedTexts) -> list[_Piece]:
        """The turns that are sent, oldest first."""
        chosen = [piece for at, piece in enumerate(pieces) if at in kept.indexes]
        if kept.aligned:
            chosen.insert(0, _Piece(fixed.alignment, "userAlignment", TextTurn("user", "")))
        for told in filter(None, (kept.earlier_events, fixed.remembered)):
            chosen.insert(0, _Piece(told, "memory", TextTurn("system", "")))
        if chosen and not self._continues:
            wrapped = self._instruct is not None and self._instruct.wrap and self._material.type != "quiet"
            if self._instruct is None or wrapped:
                last = chosen[-1]
                # As in SillyTavern: the ending of the prompt adds a line break where it needs one.
                chosen[-1] = replace_text(last, last.text.removesuffix("\n"))
        return chosen

    def _take_examples(
        self, examples: Sequence[str], pieces: Sequence[_Piece], kept: _FittingTurns, fixed: _FixedTexts
    ) -> int:
        """How many pieces of the examples fit after the history is filled."""
        if self._material.pin_examples:
            return len(examples)
        turns = "".join(pieces[at].text for at in sorted(kept.indexes))
        aligned = fixed.alignment if kept.aligned else ""
        parts = (fixed.story, fixed.alignment, aligned, fixed.chat_start, turns, fixed.last, fixed.continued)
        spent = self._cost(*parts, kept.earlier_events, fixed.remembered)
        for number, example in enumerate(examples):
            spent += self._cost(example)
            if spent >= self._limit:
                return number
        return len(examples)

    def _shrunk(
        self, examples: Sequence[str], example_count: int, turns: list[_Piece], fixed: _FixedTexts
    ) -> tuple[int, list[_Piece]]:
        """For a turn to continue: leave out examples, then the oldest turns, until the prompt fits."""

        def needed(count: int, turns: Sequence[_Piece]) -> int:
            spoken = "".join(turn.text for turn in turns)
            shown_examples = "".join(examples[:count])
            return self._cost(
                fixed.story, shown_examples, fixed.chat_start, spoken, "\n", fixed.last, fixed.continued
            )

        # Counted as one text at each step, because it may have fewer tokens than its parts together.
        while needed(example_count, turns) > self._limit and (example_count or turns):
            if example_count and not self._material.pin_examples:
                example_count -= 1
            elif turns:
                turns = turns[1:]
            else:
                break
        return example_count, turns

    def _check(self, pieces: Sequence[_Piece], kept: _FittingTurns, fixed: _FixedTexts) -> None:
        """Raises InvalidInput (PROMPT_TOO_LARGE) where the newest message does not fit."""
        if not self._material.newest_required:
            return
        newest = max((at for at, piece in enumerate(pieces) if piece.own), default=-1)
        named = {
            _STORY_SLOT: fixed.story,
            "dialogueExamples": fixed.examples,
            "chatStart": fixed.chat_start,
            "continued": fixed.continued,
            "memory": fixed.remembered,
            "lastLine": fixed.last,
        }
        over = sum(map(self._cost, named.values())) >= self._limit
        if (
            (newest < 0 and over)
            or (newest >= 0 and newest not in kept.indexes and not fixed.continued)
            or (fixed.continued and over)
        ):
            parts = [
                PromptMessage("system", text, None, slot, self._cost(text)) for slot, text in named.items()
            ]
            if newest >= 0:
                text = pieces[newest].text
                parts.append(PromptMessage("user", text, None, "chatHistory", self._cost(text)))
            raise too_large(self._limit, parts)

    # -- the result --------------------------------------------------------------------------------

    def _finished(
        self,
        story: str,
        examples: Sequence[str],
        pieces: Sequence[_Piece],
        turns: list[_Piece],
        kept: _FittingTurns,
        fixed: _FixedTexts,
        continued: _Piece | None,
        offered: int,
    ) -> TextPrompt:
        ending = self._ending(turns[-1].text, continued) if turns else ""
        sent = [
            self._message(_STORY_SLOT, fixed.story),
            self._message("dialogueExamples", "".join(examples)),
            self._message("chatStart", fixed.chat_start),
            *(self._message(turn.slot, turn.text, turn.turn, turn.own) for turn in turns),
            self._message("lastLine", ending),
        ]
        if continued is not None:
            sent.append(self._message("continued", continued.text, continued.turn, continued.own))
        sent = self._collapsed([message for message in sent if message.content])
        own = [piece for piece in pieces if piece.own is not None]
        # Compared by identity, because a message may have no id.
        there = {id(turn.own) for turn in turns if turn.own is not None}
        dropped = [piece.own for piece in own if id(piece.own) not in there]
        report = PromptReport(
            budget=self._limit,
            total=sum(message.tokens for message in sent),
            slots=slot_totals(sent),
            history_kept=len(there) + (continued is not None),
            history_dropped=len(dropped) + self._material.omitted,
            dropped_ids=tuple(message.id for message in dropped if message is not None and message.id),
            injections_dropped=sum(
                piece.own is None for at, piece in enumerate(pieces) if at not in kept.indexes
            ),
            memory_events=kept.events,
            examples_kept=len(examples),
            examples_dropped=offered - len(examples),
        )
        prompt = Prompt(tuple(sent), report, self._form())
        return TextPrompt(
            story=story,
            around=fixed.story,
            examples=tuple(examples),
            chat_start=fixed.chat_start,
            turns=tuple(turn.text for turn in turns),
            ending=ending,
            continued=continued.text if continued else None,
            last_line=self._last_line() if self._instruct is not None and not self._continues else "",
            prompt=prompt,
        )

    def _message(
        self, slot: str, text: str, turn: TextTurn | None = None, own: HistoryMessage | None = None
    ) -> PromptMessage:
        text = text.replace("\r", "")
        role = turn.role if turn else "system"
        return PromptMessage(role, text, None, slot, self._cost(text), own.id if own else "")

    def _collapsed(self, sent: list[PromptMessage]) -> list[PromptMessage]:
        """The messages without empty lines, where that is wished; one that two messages form together is
        removed from the second."""
        if not self._wishes.collapse:
            return sent
        result: list[PromptMessage] = []
        for message in sent:
            text = collapsed(message.content)
            if result and result[-1].content.endswith("\n"):
                text = text.lstrip("\n")
            if text:
                result.append(replace(message, content=text))
        return result

    def _form(self) -> TextForm:
        impersonate = self._material.type == "impersonate"
        user_last = self._wishes.user_last
        if user_last is None:
            user_last = bool(self._material.history) and self._material.history[-1].role == "user"
        wishes = StopWishes(
            impersonate,
            self._continues and user_last,
            self._wishes.own_stops,
            self._wishes.single_line,
        )
        stop = stop_strings(self._context, self._instruct, self._names, wishes, self._expand)
        start = self._template.start
        beginning = self._start() if start is not None and start.show else ""
        cleaning = Cleaning(
            self._names,
            stop,
            self._instruct,
            impersonate,
            start=beginning,
            whole_sentences=self._context.trim_sentences,
        )
        sampler, reasoning = self._template.sampler, self._template.reasoning
        return TextForm(
            self._template.name,
            stop,
            cleaning,
            sampler.values if sampler is not None else {},
            (reasoning.prefix, reasoning.suffix) if reasoning is not None else ("", ""),
            sequence_marks(self._instruct),
        )


@dataclass(frozen=True, slots=True)
class _FixedTexts:
    """The texts that are always sent; `examples` only where they are pinned."""

    story: str
    examples: str
    alignment: str
    chat_start: str
    last: str
    continued: str
    remembered: str = ""


def replace_text(piece: _Piece, text: str) -> _Piece:
    return _Piece(text, piece.slot, piece.turn, piece.own)


def _is_injected(piece: _Piece) -> bool:
    return piece.own is None and piece.slot not in ("postHistory", "chatHistory")


def _new_line(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
