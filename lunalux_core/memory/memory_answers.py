"""Reading a model's answer to a request for a memory: lenient in form, strict in content.

Models put prose around their JSON, stop in the middle of it, answer in another language, at ten times the
length, or about somebody else. Whatever can be read is read; an answer that fails a check is not stored, and
the reason is kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lunalux_core.documents.coerce import as_text, is_integer
from lunalux_core.text import clean, clean_line

Reason = Literal["empty", "no_json", "shape", "language", "too_long", "names", "invented"]
"""Why an answer is not used; "shape" is for trackers only, "too_long" for memories only."""
Script = Literal["han", "kana", "hangul", "cyrillic", "latin", "other"]

MOST_TIMES = 4
"""How many times as long as was asked for an answer may be."""
LEAST_LETTERS = 12
"""A text of fewer letters is not an answer."""
MOST_KEYWORDS, LONGEST_KEYWORD, MOST_FACTS, LONGEST_FACT = 12, 60, 12, 400
LEAST_SHARED = {"json": 0.35, "prose": 0.55}
"""The share of an answer's words that must occur in its material; higher for prose without JSON."""

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?。！？…\n]*(?:[.!?。！？…]+[\"'”’」』)]*|\n|\Z)\s*(?:\[[\d,\s，、-]+\]\s*)*")
_MARKS = re.compile(r"\s*\[([\d,\s，、-]+)\]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_CAPITAL = re.compile(r"(?<=[\w,;] )([A-Z][^\W\d_]{2,})")
"""A capitalised word inside a sentence."""
_SUBJECT = re.compile(
    r"(?:\A|[.!?:\n\"“”] ?)[ \t]*([A-Z][^\W\d_]{2,})(?=['’]s\b| (?:and [A-Z]|was|is|had|has|said|says|went|"
    r"told|took|came|gave|saw|felt|knew|left|made|did|can|could|will|would|[a-z]{2,}(?:ed|es|s)\b))"
)
"""A capitalised word that begins a sentence and is followed by a verb."""
_NO_NAMES = """
    monday tuesday wednesday thursday friday saturday sunday january february march april june july
    august september october november december english chinese japanese french german spanish latin god
    lord lady sir miss mister mrs christmas easter the then they she his her its their when while after
    before both that this there these those what who which how why where here now once later earlier
    meanwhile afterwards finally suddenly eventually quickly quietly slowly soon still also instead
    together everyone everything everybody someone something nobody nothing anyone each all some many
    most other others another one two three four five six seven eight nine ten several few neither
    either none you your our it and but for not with without from into upon during since until because
    although though however therefore thus so yet even only just perhaps maybe again already always
    never often sometimes today tomorrow yesterday tonight morning evening night day people men women
"""
_KNOWN_CAPITALS = frozenset(_NO_NAMES.split())


@dataclass(frozen=True, slots=True)
class AnsweredFact:
    """One fact; `message` is the number of the message it comes from, 0 if the answer does not say."""

    text: str
    keywords: tuple[str, ...] = ()
    message: int = 0


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """A memory as the model wrote it. `sources` are (sentence, numbers of messages)."""

    title: str
    text: str
    keywords: tuple[str, ...] = ()
    facts: tuple[AnsweredFact, ...] = ()
    journals: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, tuple[int, ...]], ...] = ()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class UnusableAnswer:
    """Why an answer cannot be used, for a memory or a tracker. `detail` names the words it is about."""

    reason: Reason
    detail: str = ""


def read_answer(raw: str, messages: int = 0) -> MemoryAnswer | UnusableAnswer:
    """The memory in an answer.

    Args:
        messages: how many messages the request had; larger numbers in the answer are ignored.
    """
    text = without_thought(raw)
    if not text:
        return UnusableAnswer("empty")
    document = json_object_in(text)
    if document is None:
        # Broken JSON must not be stored as if it were the summary.
        bare = text.strip("` \n")
        if "{" in bare or '":' in bare:
            return UnusableAnswer("no_json")
        return _answer({"summary": bare}, messages, prose=True)
    return _answer(document, messages)


def checked(
    answer: MemoryAnswer, source: str, names: Collection[str], *, words: int, earlier: str = ""
) -> MemoryAnswer | UnusableAnswer:
    """The answer, without the facts and journals that fail the checks; or why its text fails them.

    Args:
        source: the text of the messages.
        names: the participants.
        words: the length that was asked for.
        earlier: text of the earlier memories, whose names may occur too.
    """
    material = f"{source}\n{earlier}\n{' '.join(names)}"
    refused = _refusal(answer.text, source, material, words, prose=answer.prose)
    if refused is not None:
        return refused

    def holds(text: str) -> bool:
        return _refusal(text, source, material, words, short=True) is None

    folded = material.casefold()
    # A keyword that does not occur in the story would never activate the memory.
    keywords = tuple(keyword for keyword in answer.keywords if keyword.casefold() in folded) or _likely(
        answer.text, names
    )
    facts = tuple(
        replace(fact, keywords=tuple(word for word in fact.keywords if word.casefold() in folded))
        for fact in answer.facts
        if holds(fact.text)
    )
    people = {name.casefold(): name for name in names}
    journals = tuple(
        (people[name.casefold()], text)
        for name, text in answer.journals
        if name.casefold() in people and holds(text)
    )
    # A letter is put before the title so that its first word is checked as a name too.
    title = answer.title if not unknown_names(f"x {answer.title}", material) else ""
    return replace(answer, title=title, keywords=keywords, facts=facts, journals=journals)


def script_of(text: str) -> Script:
    """The script that most of a text is in; "kana" as soon as an eighth of its CJK characters are kana."""
    counts: dict[Script, int] = {"han": 0, "kana": 0, "hangul": 0, "cyrillic": 0, "latin": 0, "other": 0}
    for letter in text:
        if letter.isalpha():
            counts[_script(letter)] += 1
    # One character of these scripts counts as two or three letters.
    weighed = {**counts, "han": counts["han"] * 3, "kana": counts["kana"] * 3, "hangul": counts["hangul"] * 2}
    if (
        counts["kana"] * 8 > counts["han"] + counts["kana"]
        and weighed["kana"] + weighed["han"] > counts["latin"]
    ):
        return "kana"
    return max(weighed, key=lambda script: weighed[script])


def without_thought(raw: str) -> str:
    """An answer without the model's thinking and without control characters."""
    return _THOUGHT.sub("", clean(raw)).strip()


# -- reading ------------------------------------------------------------------------------------------------


def json_object_in(text: str) -> Mapping[str, Any] | None:
    """The JSON object in a text, repaired if it is broken; None if there is none."""
    fenced = _FENCE.search(text)
    # A code fence is tried first, because the prose before it may contain a brace too.
    for part in ([fenced[1]] if fenced else []) + [text]:
        begin = part.find("{")
        if begin < 0:
            continue
        from json_repair import loads

        try:
            value = loads(part[begin:])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict)), None)
        if isinstance(value, dict) and value:
            return value
    return None


def _answer(
    document: Mapping[str, Any], messages: int, *, prose: bool = False
) -> MemoryAnswer | UnusableAnswer:
    written = next(
        (document[key] for key in ("summary", "content", "text", "memory") if document.get(key)), ""
    )
    # Some models give a list of sentences, which are joined.
    told = as_text(written).strip() if not isinstance(written, (list, dict)) else ""
    if isinstance(written, list):
        told = " ".join(part for part in written if isinstance(part, str)).strip()
    if not told:
        return UnusableAnswer(
            "empty" if document.keys() & {"summary", "content", "text", "memory"} else "no_json"
        )
    text, sources = _sourced(told, messages)
    return MemoryAnswer(
        clean_line(as_text(document.get("title")), 100),
        text,
        _keywords(document.get("keywords")),
        tuple(_facts(document.get("facts"), messages))[:MOST_FACTS],
        tuple(_journals(document.get("journals"))),
        sources,
        prose,
    )


def _sourced(text: str, messages: int) -> tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]:
    """The text without its message numbers, and the numbers by sentence."""
    sources = []
    for match in _SENTENCE.finditer(text):
        numbers = tuple(
            dict.fromkeys(
                number
                for mark in _MARKS.finditer(match[0])
                for number in _numbers(mark[1])
                if 0 < number <= messages
            )
        )
        sentence = _MARKS.sub("", match[0]).strip()
        if numbers and sentence:
            sources.append((sentence, numbers))
    return _MARKS.sub("", text).strip(), tuple(sources)


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for span in re.split(r"[,，、\s]+", text.strip()):
        ends = [int(end) for end in span.split("-") if end.isdecimal() and len(end) < 6]
        # A range is bounded, so that "[1-99999]" does not become a list of that length.
        if len(ends) == 2 and ends[0] <= ends[1] < ends[0] + 100:
            numbers += range(ends[0], ends[1] + 1)
        else:
            numbers += ends
    return numbers


def _keywords(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[,，、;；\n]", value)
    if not isinstance(value, list):
        return ()
    words = (clean_line(word, LONGEST_KEYWORD).strip() for word in value if isinstance(word, str))
    return tuple(dict.fromkeys(word for word in words if len(word) > 1))[:MOST_KEYWORDS]


def _facts(value: Any, messages: int) -> list[AnsweredFact]:
    facts = []
    for item in value if isinstance(value, list) else ():
        document = item if isinstance(item, dict) else {"text": item}
        text = _MARKS.sub("", as_text(document.get("text") or document.get("fact"))).strip()
        if not text or len(text) > LONGEST_FACT:
            continue
        number = document.get("message")
        source = number if is_integer(number) and 0 < number <= messages else 0
        facts.append(AnsweredFact(text, _keywords(document.get("keywords")), source))
    return facts


def _journals(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        value = [{"name": name, "text": text} for name, text in value.items()]
    journals = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            name, text = as_text(item.get("name")).strip(), _MARKS.sub("", as_text(item.get("text"))).strip()
            if name and text:
                journals.append((name, text))
    return journals


# -- checking -----------------------------------------------------------------------------------------------


def _refusal(
    text: str, source: str, material: str, words: int, *, prose: bool = False, short: bool = False
) -> UnusableAnswer | None:
    if not short and sum(letter.isalpha() for letter in text) < LEAST_LETTERS:
        return UnusableAnswer("empty")
    # At least 20 words, so that not every answer is too long for a person who asks for five.
    if _length(text) > max(words, 20) * MOST_TIMES:
        return UnusableAnswer("too_long")
    if not same_script(script_of(text), script_of(source)):
        return UnusableAnswer("language")
    if unknown := unknown_names(text, material):
        return UnusableAnswer("names", ", ".join(unknown[:5]))
    # A comment instead of an answer ("There is nothing to tell.") is short and no JSON, so prose of any
    # length must share words with the story.
    shared = shared_words(text, material, least=1 if prose else 8)
    if shared is not None and shared < LEAST_SHARED["prose" if prose else "json"]:
        return UnusableAnswer("invented")
    return None


def _length(text: str) -> int:
    """Length in words; each character of a script without spaces counts as one."""
    wide = sum(_script(sign) in ("han", "kana", "hangul") for sign in text if sign.isalpha())
    return wide + sum(script_of(word) in ("latin", "cyrillic", "other") for word in _WORD.findall(text))


def same_script(answer: Script, source: Script) -> bool:
    # A short Japanese text may have no kana, and then looks like Chinese.
    return answer == source or (answer == "kana" and source == "han")


def unknown_names(text: str, material: str) -> list[str]:
    """Names that do not occur in the material, compared without their endings."""
    folded = material.casefold()
    unknown = []
    for name in dict.fromkeys([*_CAPITAL.findall(text), *_SUBJECT.findall(text)]):
        key = name.casefold()
        # "Aldric's" and "Aldrics" are the same name, so the last two letters are not compared.
        stem = key[: max(len(key) - 2, 4)]
        if key not in _KNOWN_CAPITALS and stem not in folded:
            unknown.append(name)
    return unknown


def shared_words(text: str, material: str, least: int = 8) -> float | None:
    """The share of a text's words that occur in its material; None for a text of fewer than `least` words."""
    script = script_of(text)
    if script in ("han", "kana"):
        signs = [sign for sign in text if _script(sign) == "han"]
        there = set(material)
        # A character says less than a word, so three more of them are required.
        return sum(sign in there for sign in signs) / len(signs) if len(signs) >= least + 3 else None
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) < least:
        return None
    vocabulary = {word.casefold() for word in _WORD.findall(material)}
    # Summaries use another tense, so for longer words the first five letters are compared.
    stems = {word[:5] for word in vocabulary}
    return sum(word in vocabulary or (len(word) > 5 and word[:5] in stems) for word in words) / len(words)


def _likely(text: str, names: Collection[str]) -> tuple[str, ...]:
    """Keywords for an answer without any: the names and the capitalised words in its text."""
    folded = text.casefold()
    present = [name for name in names if name.casefold() in folded]
    return tuple(dict.fromkeys([*present, *_CAPITAL.findall(text)]))[:MOST_KEYWORDS]


def _script(sign: str) -> Script:
    code = ord(sign)
    if 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF:
        return "han"
    if 0x3040 <= code <= 0x30FF or 0xFF66 <= code <= 0xFF9D:
        return "kana"
    if 0xAC00 <= code <= 0xD7AF or 0x1100 <= code <= 0x11FF:
        return "hangul"
    if 0x0400 <= code <= 0x052F:
        return "cyrillic"
    if code < 0x0250 or 0x1E00 <= code <= 0x1EFF:
        return "latin"
    return "other"
