"""Which fields of a request a refusal complains of, and which it only mentions.

A refusal names the field that it does not take. Beside it may stand the whole request, repeated, and a list
of the fields that would be taken: neither says anything against a field.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lunalux_core.llm.servers.reports import parsed_failure

REFUSES_FIELD = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra_forbidden"
    r"|deprecated|not enabled|not available|cannot be used|(not|n't) accept|only allowed|only \S+ is allowed"
    r"|invalid (param|field|argument|key)|is invalid for|not a valid (param|field|argument|key)|不支持"
)
"""What a server says of a field that it does not take."""

FEW_STOPS = 4
"""Stop strings that every server takes; the rest are looked for here."""
MANY_STOPS = f"more than {FEW_STOPS} stop"
"""How it is noted that a server takes no more of them."""

_STOPS_REFUSED = re.compile(
    r"\bstop(_sequences?)?\b.{0,80}(too|most|maximum|length|long|limit|items|elements|array)"
    r"|too many\b[^.]{0,40}\bstop|(at most|up to|more than|maximum of) \d+[^.]{0,20}\bstop",
    re.DOTALL,
)

_REQUEST = ("messages", "prompt")
"""What a request is known by, beside its model."""
_OBJECTS = re.compile(rf"""[{{}}]|['"](?:{"|".join(_REQUEST)})['"]\s*:""")
"""Where objects begin and end, and the keys that make one a request."""
_PLACES = ("param", "parameter", "field", "property", "loc", "path")
"""Keys of a report under which a field is named and nothing else."""
_REPEATED = frozenset({"input", "ctx"})
"""Keys under which validators repeat what they were sent."""
_OTHER_NAMES: Mapping[str, str] = dict.fromkeys(
    ("think", "reasoning", "reasoning_effort", "thinking_budget_tokens", "chat_template_kwargs"),
    r"\b(thinking|reasoning)\b",
)
"""What a refusal may call a field without its name: by what the field asks for."""

_TAKEN = r"(?:supported|allowed|accepted|permitted|available|valid|known|recogni[sz]ed)"
_FIELDS = r"(?:argument|field|key|name|option|parameter|param|propert|value|input)\w*"
_ALLOWED = re.compile(
    r"\bexpected one of\b|\b(?:must|should) be one of\b"
    rf"|\b{_TAKEN}(?: \w+)?(?: {_FIELDS})?(?: for [^:.]{{1,60}})?(?: are\b|:| include\b)"
    r"|\b(?:only (?:support|accept|take|allow)s?|(?:support|accept|take|allow)s? only)\b(?=[^.]{0,200},)"
    rf"|\bonly\b[^.,]{{0,60}},[^.]{{0,400}}\bare {_TAKEN}"
)
"""Where a list begins of what would be taken."""
_NEGATED = re.compile(r"(\b(not|no|non|never|cannot|without)|n't)[^\w.;:]+(\w+[^\w.;:]+){0,2}$")
_LIST_ENDS = re.compile(r"[.;](?=\s|$)")

_MOST_CHARACTERS = 8000
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class FieldRefusal:
    """A refusal, in lower case and without the request that it may repeat.

    `text` is all that it says, `blamed` the same without lists of what would be taken, `allowed` those lists.
    `places` are the parts of it that name a field by itself, each with its words.
    """

    text: str
    blamed: str
    allowed: str
    places: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, body: bytes) -> FieldRefusal:
        parsed, raw = parsed_failure(body)
        places: list[tuple[str, str]] = []
        if isinstance(parsed, (dict, list)):
            words = " ".join(_words(parsed, places, 0))
        else:
            words = parsed if isinstance(parsed, str) else raw
        text = _without_request(words)[:_MOST_CHARACTERS].lower()
        blamed, allowed = _parted(text)
        return cls(text, blamed, allowed, tuple(places))

    def fields(self, sent: Collection[str]) -> set[str]:
        """The fields that are refused, of those that were `sent` and can be done without."""
        if not REFUSES_FIELD.search(self.text):
            return set()
        placed = {
            field
            for place, words in self.places
            if REFUSES_FIELD.search(words) and (field := _field_at(place, sent))
        }
        if placed:
            return placed
        named = {name for name in sent if names(self.blamed, name)}
        if named:
            return named
        # A list of all that is taken, without a word on what is not: it is the rest.
        if names(self.allowed, "model") and any(names(self.allowed, name) for name in _REQUEST):
            return {name for name in sent if not names(self.allowed, name)}
        return {name for name in sent if name in _OTHER_NAMES and re.search(_OTHER_NAMES[name], self.blamed)}

    def too_many_stops(self) -> bool:
        """Whether it is about the number of stop strings, or about how long they are."""
        return _STOPS_REFUSED.search(self.blamed) is not None


def names(text: str, field: str) -> bool:
    """Whether a lower-cased text names a field, as it is sent or in the other spelling (`topK`, `top_k`)."""
    words = re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", field)
    return re.search(rf"\b{'_?'.join(re.escape(word.lower()) for word in words)}\b", text) is not None


def _field_at(place: str, sent: Iterable[str]) -> str:
    """The field that a place leads into, such as `body.stream_options.include_usage`."""
    for step in re.findall(r"\w+", place.lower()):
        for name in sent:
            if names(step, name):
                return name
    return ""


def _words(value: object, places: list[tuple[str, str]], depth: int) -> Iterator[str]:
    """Everything that a report says, keys too; `places` gets what names a field by itself."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inner = parsed_failure(value.encode())[0] if value.lstrip()[:1] in {"{", "["} else None
        if isinstance(inner, (dict, list)):
            yield from _words(inner, places, depth + 1)
        else:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item, places, depth + 1)
    elif isinstance(value, dict):
        if "model" in value and any(name in value for name in _REQUEST):
            return
        said: list[str] = []
        for key, part in value.items():
            if key in _REPEATED and not isinstance(part, (int, float)):
                continue
            said += [str(key), *_words(part, places, depth + 1)]
        yield from said
        for key in _PLACES:
            place = value.get(key)
            if isinstance(place, list):
                place = ".".join(step for step in place if isinstance(step, str))
            if isinstance(place, str) and place:
                places.append((place, " ".join(said).lower()))
    elif isinstance(value, (int, float)):
        yield str(value)


def _without_request(text: str) -> str:
    """A text without the objects in it that are a request, in JSON or as Python prints them."""
    # Where each object begins that is not closed yet, and whether it has the messages of a request.
    opened: list[tuple[int, bool]] = []
    cuts: list[tuple[int, int]] = []

    def close(end: int) -> None:
        begin, request = opened.pop()
        if request:
            while cuts and cuts[-1][0] > begin:
                cuts.pop()
            cuts.append((begin, end))

    for sign in _OBJECTS.finditer(text):
        if sign[0] == "{":
            opened.append((sign.start(), False))
        elif sign[0] == "}":
            if opened:
                close(sign.end())
        elif opened:
            opened[-1] = (opened[-1][0], True)
    while opened:  # what was cut off in the middle ends with the text
        close(len(text))
    kept: list[str] = []
    place = 0
    for begin, end in cuts:
        kept.append(text[place:begin])
        place = end
    return "".join([*kept, text[place:]])


def _parted(text: str) -> tuple[str, str]:
    """A text without lists of what would be taken, and those lists."""
    kept: list[str] = []
    lists: list[str] = []
    place = 0
    while match := _ALLOWED.search(text, place):
        if _NEGATED.search(text[max(0, match.start() - 40) : match.start()]):
            kept.append(text[place : match.end()])
            place = match.end()
            continue
        kept.append(text[place : match.start()])
        ends = _LIST_ENDS.search(text, match.end())
        lists.append(text[match.start() : ends.start() if ends else len(text)])
        place = ends.start() if ends else len(text)
    return "".join([*kept, text[place:]]), " ".join(lists)
