"""The form of a reply: thinking, the visible text, suggestions and events, and its speaker's name before it.

One reader serves both uses: fed piece by piece it gives what may be shown while the reply streams, and
`parse_reply` is the same reader fed at once, so what was streamed is always what is kept. Models forget
closing tags; what then belongs to a block and what is story is decided at the end, and story is never
swallowed. Where only the closing mark of a thought comes, all before it was thought: what has been shown is
taken back (`turned`).

See docs/spec/formats.md: Built-in presets and the output contract, Reply parsing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from lunalux_core.llm.servers.marks import WORDED, Marks, Pair, marks
from lunalux_core.llm.servers.thinking import begun_any_case

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnInput

MAX_SUGGESTIONS = 6

_State = Literal["visible", "thinking", "suggestions", "events"]

_BLOCKS: dict[str, _State] = {
    "think": "thinking",
    "thinking": "thinking",
    "next_prompts": "suggestions",
    "events": "events",
}
_WRAPPERS = ("output", "outputformat")
_NAMES = (*_BLOCKS, *_WRAPPERS)
_PAD = r"\s{0,8}"
_TAG = rf"<(/?)({'|'.join(_NAMES)}){_PAD}>"
_OPEN_ANSWER = re.compile(rf"<(?:output(?:format)?|next_prompts|events){_PAD}>", re.IGNORECASE)
_UNFINISHED = re.compile(rf"<(/?)(\w*)({_PAD})\Z")
_LONGEST_TAG = 32
"""Characters, more than a tag ever takes."""

_WHITE = " \t\r\n"
"""What is trimmed; the ideographic blanks that indent a Chinese paragraph are not."""
# A number counts only where no digit follows: "3.5 seconds later" begins with a number of its own.
_BULLET = re.compile(r"^(?:[-•·–]+\s*|\*+\s+|\d{1,2}[.)、．](?!\d)\s*)")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply taken apart. `text` is the visible answer, before any regex script."""

    text: str
    thinking: str = ""
    suggestions: tuple[str, ...] = ()
    event: str = ""


def parse_reply(raw: str, *, going_on: bool = False, thinking: Marks | None = None) -> ParsedReply:
    """Take a whole reply apart; see `ContractStream`. Anything without tags is visible text."""
    stream = ContractStream(going_on=going_on, thinking=thinking)
    stream.feed(raw)
    stream.close()
    return stream.reply()


class ContractStream:
    """Reads a reply piece by piece. The pieces given out, joined, are the text and thinking of `reply`,
    with two exceptions: a thinking block that is never closed is given out whole, and if an answer turns
    out to stand in it, that comes last, from `close`; and where `turned` is set, `reply` says anew what all
    that was given out so far is.

    Args:
        going_on: whether the text is put after one that is there: white space it begins with is then part
            of it, unless something was taken out before.
        thinking: the marks of the model's thoughts.
    """

    def __init__(self, *, going_on: bool = False, thinking: Marks | None = None) -> None:
        self._marks = thinking or marks()
        self._pattern = _pattern(self._marks)
        self.turned = False
        self._plain = True
        self._worded: Pair | None = None
        self._undecided = True
        self._mark = self._tail = ""
        self._taken_back = self._thought_before = ""
        self._going_on = going_on
        self._state: _State = "visible"
        self._held = ""
        self._text = _Trimmed(leading=going_on)
        self._thinking = _Trimmed()
        self._thought = False
        self._blocks: dict[_State, list[str]] = {"suggestions": [], "events": []}
        self._block = ""

    def feed(self, chunk: str) -> tuple[str, str]:
        """Take more of the raw reply; return (visible text, thinking) that are certain now."""
        self._held += chunk
        if self._undecided:
            self._decide()
        position, text, thinking = 0, "", ""
        for tag in self._pattern.finditer(self._held):
            shown, thought = self._take(self._held[position : tag.start()])
            text, thinking, position = text + shown, thinking + thought, tag.start()
            # Models whose template opens the thought send only its closing mark: what came before it was
            # thinking.
            if self._closes(tag):
                self._take_back(tag.group().lower())
                text, thinking, position = "", "", tag.end()
            elif self._tail and tag.group().lower() == self._tail:
                position = tag.end()
            elif tag[2] and self._obeys(tag):
                self._plain, self._mark, position = False, "", tag.end()
        keep = self._unfinished(position)
        shown, thought = self._take(self._held[position:keep])
        self._held = self._held[keep:]
        return text + shown, thinking + thought

    def close(self) -> tuple[str, str]:
        """The reply is over: return (visible text, thinking) still held back."""
        pending, self._held = self._held, ""
        text, thinking = self._take(pending)
        if self._state == "thinking":
            return text + self._answer_in_thinking(), thinking
        rest = self._end_block(unclosed=True)
        self._state = "visible"
        text += self._text.add(rest)
        # Otherwise a reply that ends with such a mark would be empty.
        if self._taken_back and not self._text.value:
            # Nothing came after the closing mark: it closed nothing.
            self._text.replace(self._taken_back)
            self._thinking.replace(self._thought_before)
            self.turned, self._taken_back = True, ""
            return "", ""
        return text, thinking

    def _decide(self) -> None:
        """Whether the text begins with a word that may open a thought: its end, if one comes, decides."""
        low = (self._text.value + self._held).lstrip().lower()
        self._worded = next((pair for pair in WORDED if low.startswith(pair.opening)), None)
        self._undecided = self._worded is None and any(pair.opening.startswith(low) for pair in WORDED)
        if self._worded is not None:
            self._pattern = _pattern(self._marks, self._worded.closing)

    def _closes(self, tag: re.Match[str]) -> bool:
        """Whether a mark closes a thought that began with the text; one mark may do so twice."""
        mark = tag.group().lower()
        if (not self._plain and mark != self._mark) or mark in self._marks.tails.values():
            return False
        return _closes_thinking(tag) and not self._opened(tag)

    def _opened(self, closing: re.Match[str]) -> bool:
        """Whether the opening mark stands in the text: then the pair is part of the story."""
        before = (self._text.value + self._held[: closing.start()]).lower()
        mark = closing.group().lower()
        return any(mark in ends and opening in before for opening, ends in self._marks.openings)

    def _take_back(self, mark: str) -> None:
        """All that was read so far as text was thought."""
        worded = self._plain and self._worded is not None and mark == self._worded.closing
        self._plain, self.turned, self._mark = False, True, mark
        self._tail = self._marks.tails.get(mark, "")
        self._taken_back, self._thought_before = self._text.value, self._thinking.value
        thought = self._taken_back.lstrip()[len(self._worded.opening) :] if worded and self._worded else ""
        self._thinking.add(thought or self._taken_back)
        self._text = _Trimmed()
        self._text.cut()

    def _unfinished(self, start: int) -> int:
        """Where a tag or mark may have begun that is not finished yet; the length of the text if nowhere."""
        place = _unfinished(self._held, start)
        if (self._plain or self._mark or self._tail) and place == len(self._held):
            near = max(start, len(self._held) - self._marks.longest)
            if self._marks.begin.search(self._held, near):
                tail = self._held[near:]
                place -= max(begun_any_case(tail, mark) for mark in self._marks.loose_marks)
            if self._tail:
                place = min(place, len(self._held) - begun_any_case(self._held[near:], self._tail))
            if self._worded is not None:
                place = min(place, len(self._held) - begun_any_case(self._held[near:], self._worded.closing))
        return place

    def reply(self) -> ParsedReply:
        """What has been read so far, taken apart."""
        return ParsedReply(
            text=self._text.value,
            thinking=self._thinking.value,
            suggestions=_suggestions(self._blocks["suggestions"]),
            event=_event(self._blocks["events"]),
        )

    def _obeys(self, tag: re.Match[str]) -> bool:
        """Let a tag change the state. False where it is ordinary text."""
        closing, name = bool(tag[1]), tag[2].lower()
        state = _BLOCKS.get(name)
        if self._state == "thinking":
            if not closing or state != "thinking":
                return False
            self._thought = self._thought or bool(self._thinking.value)
            self._state = "visible"
            return True
        self._end_block(unclosed=False)
        self._state = "visible" if closing or state is None else state
        self._text.cut()
        return True

    def _take(self, text: str) -> tuple[str, str]:
        if not text:
            return "", ""
        if self._state == "visible":
            return self._text.add(text), ""
        if self._state == "thinking":
            return "", "" if self._thought else self._thinking.add(text)
        self._block += text
        return "", ""

    def _end_block(self, *, unclosed: bool) -> str:
        """Store the block that ends here; of an unclosed one, return what is story again."""
        block, self._block = self._block, ""
        if self._state not in self._blocks or not block:
            return ""
        rest = ""
        if unclosed:
            block, rest = _split_unclosed(block, one_line=self._state == "events")
        self._blocks[self._state].append(block)
        return rest

    def _answer_in_thinking(self) -> str:
        """For a reply that ends inside its thinking: the answer, if one visibly begins there."""
        whole = self._thinking.value
        begins = None if self._thought else _OPEN_ANSWER.search(whole)
        if begins is None:
            return ""
        self._thinking.replace(whole[: begins.start()])
        self._state = "visible"
        self._thought = True
        text, _ = self.feed(whole[begins.start() :])
        more, _ = self.close()
        return text + more


def _closes_thinking(tag: re.Match[str]) -> bool:
    """Whether this is a closing mark of a thought: a tag of the form, or any other family's."""
    return not tag[2] or bool(tag[1] and _BLOCKS.get(tag[2].lower()) == "thinking")


@cache
def _pattern(tag_marks: Marks, worded: str = "") -> re.Pattern[str]:
    """Finds the tags of the form, the closing marks that may stand alone, and what ends an answer behind one
    (both without groups)."""
    marks_of_words = [re.escape(mark) for mark in (*tag_marks.tails.values(), worded) if mark]
    return re.compile("|".join([_TAG, tag_marks.loose.pattern, *marks_of_words]), re.IGNORECASE)


class _Trimmed:
    """Text that grows without white space at its ends, and without a hole where a block was cut out.

    With `leading`, white space at its very beginning stays.
    """

    def __init__(self, *, leading: bool = False) -> None:
        self._leading = leading
        self._parts: list[str] = []
        self._blank = ""
        self._seam = False

    @property
    def value(self) -> str:
        return "".join(self._parts)

    def add(self, text: str) -> str:
        """Add text; return what is certain of it now: white space waits for what follows it."""
        text = self._blank + text
        body = text.strip(_WHITE)
        if not body:
            self._blank = text
            return ""
        start = text.index(body)
        blank, self._blank = text[:start], text[start + len(body) :]
        if not self._parts and (self._seam or not self._leading):
            blank = ""
        elif self._seam and blank.count("\n") > 2:
            # A block that is cut out leaves one empty line, not the two that stood around it.
            blank = "\n\n"
        self._seam = False
        self._parts.append(blank + body)
        return self._parts[-1]

    def cut(self) -> None:
        """Something was taken out here."""
        self._seam = True

    def replace(self, value: str) -> None:
        """Begin again with another text."""
        self._parts, self._blank = [], ""
        self.add(value)


def _unfinished(text: str, start: int) -> int:
    """Where a tag may have begun that is not finished at the end of `text`; its length if nowhere."""
    place = text.rfind("<", max(start, len(text) - _LONGEST_TAG))
    if place < start:
        return len(text)
    match = _UNFINISHED.match(text, place)
    if match is None:
        return len(text)
    name, blank = match[2].lower(), match[3]
    possible = name in _NAMES if blank else any(tag_name.startswith(name) for tag_name in _NAMES)
    return place if possible else len(text)


def _split_unclosed(block: str, *, one_line: bool) -> tuple[str, str]:
    """The block and what follows it: events are one line, suggestions go to the first blank line."""
    block = block.lstrip()
    parts = block.split("\n", 1) if one_line else _BLANK_LINES.split(block, maxsplit=1)
    return parts[0], "\n\n" + parts[1] if len(parts) > 1 and parts[1].strip() else ""


def _suggestions(blocks: list[str]) -> tuple[str, ...]:
    lines = (_cleaned(line) for block in blocks for line in block.split("\n"))
    return tuple(dict.fromkeys(line for line in lines if line))[:MAX_SUGGESTIONS]


def _cleaned(line: str) -> str:
    """One suggestion without its bullet or number and the brackets around it."""
    line = _BULLET.sub("", line.strip())
    if line.startswith("[") and line.endswith("]"):
        line = line[1:-1]
    return line.strip()


def _event(blocks: list[str]) -> str:
    text = " ".join(blocks).replace("[", "").replace("]", "")
    return " ".join(text.split())


def own_names(turn: TurnInput) -> tuple[str, ...]:
    """Names that a reply in a group may wrongly begin with: the speaker's own; none where it goes on."""
    if turn.group is None or turn.partial or turn.kind == "impersonate":
        return ()
    return tuple(dict.fromkeys(filter(None, (turn.character.name, turn.card.nickname))))


class NamePrefix:
    """Takes a speaker's own name off the beginning of a reply that streams in.

    A history whose lines begin with names tempts models to begin with one too.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._held is None:
            return text
        self._held += text
        # Compared without bold and with either colon; what is shown is the text itself.
        begun = self._held.replace("*", "").replace("：", ":").strip()
        if any(f"{name}:".startswith(begun) for name in self._names):
            return ""
        return self.flush()

    def flush(self) -> str:
        """What was held back, at the end."""
        pending, self._held = self._held, None
        return without_name(pending or "", self._names)


def without_name(text: str, names: Sequence[str]) -> str:
    """The text without one of the names and its colon (maybe bold) at its beginning."""
    for name in names:
        prefix = (
            re.match(rf"\s*(?:\*\*)?{re.escape(name)}(?:\*\*)?\s*[:：](?:\*\*)?[ \t]*", text)
            if name
            else None
        )
        if prefix is not None:
            return text[prefix.end() :]
    return text
