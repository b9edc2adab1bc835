"""A branch of a story as Markdown, and back, sign by sign.

A message is a line `## NAME <!-- ID ROLE -->`, an empty line and its text; a person
adds one by a line `## NAME`.
What would be taken for something else is written another way: a line of a text that begins with `## ` gets
a backslash before it, and signs that no editor keeps (controls, empty lines at an end) become references such
as `&#xD;`. Signs that only look like such a reference get an `amp;`, so every text comes back as it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from hashlib import sha256

_ODD = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
"""What editors drop or change, and terminals act on; tabs and line ends are ordinary."""
_TO_WRITE = re.compile(rf"(?P<odd>[{_ODD}])|&(?P<like>(?:amp;)*#x[0-9A-F]{{1,4}};)")
_TO_READ = re.compile(r"&(?:amp;(?P<like>(?:amp;)*#x[0-9A-F]{1,4};)|#x(?P<odd>[0-9A-F]{1,4});)")
_IS_ODD = re.compile(f"[{_ODD}\n]")
_HEADING = re.compile(r"^(\\*## )", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(\\*## )", re.MULTILINE)
_OURS = re.compile(r"## (?:(?P<name>.*) )?<!-- (?P<id>[\w-]{1,64}) (?P<role>user|assistant|system) -->\s*")
_FIELD = re.compile(r"(lunalux|conversation|title):\s*(.*)")
_RULE = "---"
LINE_END = "\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A message of a file. `id` and `role` are "" where a person wrote the heading."""

    id: str
    role: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class StoryText:
    """What a file holds.

    Args:
        conversation: id of the conversation, "" in a file that a person began.
        fields: further lines of the head, which other programs keep there.
        preamble: what stands before the first message; the library knows nothing of it.
        tail: headings at the end that have no words yet, as they were written.
    """

    conversation: str = ""
    title: str = ""
    blocks: tuple[Block, ...] = ()
    fields: tuple[str, ...] = ()
    preamble: str = ""
    tail: str = ""


def write_story(story: StoryText) -> str:
    """The text of a file; `read_story` gives the same story."""
    title = json.dumps(story.title, ensure_ascii=_IS_ODD.search(story.title) is not None)
    head = [_RULE, "lunalux: story", f"conversation: {story.conversation}", f"title: {title}"]
    parts = ["\n".join([*head, *story.fields, _RULE])]
    if story.preamble:
        parts.append(story.preamble)
    for block in story.blocks:
        name = f"{_written(block.name).replace(LINE_END, _reference(LINE_END))} " if block.name else ""
        parts += [f"## {name}<!-- {block.id} {block.role} -->", written_text(block.text)]
    if story.tail:
        parts.append(story.tail)
    return "\n\n".join(parts) + "\n"


def read_story(text: str) -> StoryText:
    """The story in a file that was written here, or by a person."""
    # Nothing here writes a lone \r, so an editor or git made these.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    story, lines = _head(text.split("\n"))
    starts = [place for place, line in enumerate(lines) if _is_heading(line)]
    story = replace(story, preamble="\n".join(lines[: starts[0] if starts else None]).strip("\n"))
    ends = [*starts, len(lines)][1:]
    blocks = [_block(lines[start:end]) for start, end in zip(starts, ends, strict=True)]
    unsaid = len(blocks)
    while unsaid and _is_unsaid(blocks[unsaid - 1]):
        unsaid -= 1
    tail = "\n".join(lines[starts[unsaid] :]).strip("\n") if unsaid < len(blocks) else ""
    said = tuple(block for block in blocks[:unsaid] if not _is_unsaid(block))
    return replace(story, blocks=said, tail=tail)


def written_text(text: str) -> str:
    """The text of a message as it stands in a file; `read_text` gives it back."""
    text = _written(text)
    begin = len(text) - len(text.lstrip("\n"))
    end = len(text.rstrip("\n")) if begin < len(text) else begin
    edge = _reference(LINE_END)
    text = edge * begin + text[begin:end] + edge * (len(text) - end)
    return _HEADING.sub(r"\\\1", text)


def read_text(text: str) -> str:
    """The text of a message that stands in a file; empty lines around it do not count."""
    return _read(_ESCAPED.sub(r"\1", text.strip("\n")))


def text_hash(text: str) -> str:
    """Identity of the words of a message. Blanks at the ends of lines do not count: editors remove them."""
    bare = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    return sha256(bare.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _written(text: str) -> str:
    return _TO_WRITE.sub(lambda m: _reference(m["odd"]) if m["odd"] else f"&amp;{m['like']}", text)


def _read(text: str) -> str:
    return _TO_READ.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    if match["like"]:
        return f"&{match['like']}"
    sign = chr(int(match["odd"], 16))
    return sign if _IS_ODD.match(sign) else match[0]


def _reference(sign: str) -> str:
    return f"&#x{ord(sign):X};"


def _is_heading(line: str) -> bool:
    return line.startswith("## ") and bool(line[3:].strip())


def _is_unsaid(block: Block) -> bool:
    return not block.id and not block.text.strip()


def _block(lines: list[str]) -> Block:
    text = read_text("\n".join(lines[1:]))
    if (ours := _OURS.fullmatch(lines[0])) is not None:
        return Block(ours["id"], ours["role"], _read(ours["name"] or ""), text)
    return Block("", "", _read(lines[0][3:].strip()), text)


def _head(lines: list[str]) -> tuple[StoryText, list[str]]:
    """What the head says, and the lines below it."""
    if lines[0].rstrip() != _RULE:
        return StoryText(), lines
    end = next((place for place, line in enumerate(lines) if place and line.rstrip() == _RULE), 0)
    if not end:
        return StoryText(), lines
    fields: dict[str, str] = {}
    others: list[str] = []
    for line in lines[1:end]:
        field = _FIELD.fullmatch(line.rstrip())
        if field is not None and field[1] not in fields:
            fields[field[1]] = field[2]
        else:
            others.append(line)
    title = _title(fields.get("title", ""))
    return StoryText(fields.get("conversation", ""), title, fields=tuple(others)), lines[end + 1 :]


def _title(value: str) -> str:
    try:
        title = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return title if isinstance(title, str) else value
