"""Compose one practice reply from phrases and pieces: a pure function of the request.

Choices come from a digest of the request and prefer what the conversation has not used yet, so the same
request gives the same reply and a long conversation does not go in circles.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace

from lunalux_core.llm.model import CharacterMaterial, ModelRequest
from lunalux_core.llm.practice.phrases import Phrases, phrases_in
from lunalux_core.llm.practice.practice_material import (
    Pieces,
    Utterance,
    is_chinese,
    material_from,
    pieces_of,
    said_in,
    size,
    with_names,
)

LEAST, MOST = 60, 180
"""Words of a reply; a Chinese character counts as one."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A reply in the raw form of "Built-in presets and the output contract": `raw` includes the tags,
    `thinking` comes apart."""

    thinking: str
    raw: str


class PhraseChooser:
    """Deterministic choice among options, least used first."""

    def __init__(self, seed: bytes, told: str) -> None:
        self._seed = seed
        self._told = told
        self._chosen: set[str] = set()

    def pick(self, options: Sequence[str], what: str) -> str:
        """One of `options`; `what` names the choice, so that choices are independent."""
        digest = hashlib.blake2b(what.encode(), key=self._seed, digest_size=8).digest()
        start = int.from_bytes(digest, "big") % len(options)
        turned = [*options[start:], *options[:start]]
        best = min(turned, key=self._uses)
        self._chosen.add(best)
        return best

    def _uses(self, option: str) -> int:
        literal = max(re.split(r"\{\w+\}", option), key=len)
        # A template that is nothing but a piece leaves no trace; it takes its turn after the others.
        times = self._told.count(literal) if literal else 1
        return times + (option in self._chosen)


def compose(request: ModelRequest) -> Composition:
    """The reply to `request`; `extra["type"]` may be `continue` or `impersonate`."""
    return _Composer(request).compose()


class _Composer:
    def __init__(self, request: ModelRequest) -> None:
        self._said: Utterance = said_in(request.messages)
        chinese = request.language == "zh" or is_chinese(self._said.echo)
        self._phrases: Phrases = phrases_in("zh" if chinese else "en")
        material = request.character or material_from(request.messages, "zh" if chinese else "en")
        if material.user.strip().lower() in {"", "you", "user", "你"}:
            material = replace(material, user=self._phrases.nameless_user)
        self._material: CharacterMaterial = with_names(material)
        self._pieces: Pieces = pieces_of(self._material)
        self._type = str(request.extra.get("type", "normal"))
        self._last_reply = next((m.content for m in reversed(request.messages) if m.role == "assistant"), "")
        self._choose = PhraseChooser(_seed(request), _told(request))
        self._used: list[str] = []

    def compose(self) -> Composition:
        if self._type == "impersonate":
            return Composition(self._thinking(), self._impersonation())
        lead = [""] if self._type == "continue" else []  # what goes on is put after what is there as it is
        reply = "\n\n".join([*lead, *self._paragraphs()])
        thinking = self._thinking()
        suggestions = "\n".join(f"- {suggestion}" for suggestion in self._suggestions())
        tags = f"<next_prompts>\n{suggestions}\n</next_prompts>\n<events>\n{self._event()}\n</events>"
        return Composition(thinking, f"{reply}\n\n{tags}")

    # -- the reply ---------------------------------------------------------------------------------

    def _paragraphs(self) -> list[str]:
        phrases, kind = self._phrases, self._said.kind
        if self._type == "continue":
            begin = [self._narrated(self._choose.pick(phrases.going_on, "going on"))]
        else:
            opening = phrases.opening.get(kind, phrases.opening["statement"])
            answer = phrases.answer.get(kind, phrases.answer["statement"])
            if not self._said.echo:
                answer = phrases.answer["silence"]
            begin = [
                self._narrated(self._choose.pick(opening, "opening")),
                self._spoken(self._choose.pick(answer, "answer")),
            ]
        closing = self._spoken(self._choose.pick(phrases.closing, "closing"))
        room = MOST - size(" ".join([*begin, closing]))
        middle: list[str] = []
        for paragraph in self._from_the_card():
            if size(paragraph) <= room:
                middle.append(paragraph)
                room -= size(paragraph)
        while size(" ".join([*begin, *middle, closing])) < LEAST:
            middle.append(self._narrated(self._choose.pick(phrases.filler, "filler")))
        return [*begin, *middle, closing]

    def _from_the_card(self) -> Iterable[str]:
        """Up to three paragraphs: what the character is like, where it happens, a line of its own."""
        phrases, pieces = self._phrases, self._pieces
        if pieces.traits and (not pieces.about or self._choose.pick(("about", "traits"), "side") == "traits"):
            first = self._choose.pick(pieces.traits, "trait")
            second = self._choose.pick(pieces.traits, "other trait")
            traits = phrases.comma.join(dict.fromkeys((first, second)))
            self._used.append("traits")
            yield self._narrated(self._choose.pick(phrases.traits, "traits"), traits=traits)
        elif pieces.about:
            yield self._quoted("about", pieces.about, phrases.about)
        if pieces.place:
            yield self._quoted("place", pieces.place, phrases.place)
        if pieces.spoken:
            self._used.append("spoken")
            template = self._choose.pick(phrases.spoken, "spoken")
            yield self._filled(template, piece=self._choose.pick(pieces.spoken, "spoken piece"))

    def _quoted(self, name: str, pieces: Sequence[str], templates: Sequence[str]) -> str:
        self._used.append(name)
        piece = self._choose.pick(pieces, f"{name} piece")
        return self._narrated(self._choose.pick(templates, name), piece=piece)

    def _impersonation(self) -> str:
        phrases = self._phrases
        reply = self._filled(self._choose.pick(phrases.impersonate, "impersonate"))
        spoken = re.findall(r"“([^“”]+)”|\"([^\"]+)\"", re.sub(r"<[^>]*>", "", self._last_reply))
        lines = [a or b for a, b in spoken if 3 <= size(a or b) <= 12]
        if not lines:
            return reply
        echo = lines[-1].strip(" .。,，!！?？")
        before = self._filled(self._choose.pick(phrases.impersonate_echo, "impersonate echo"), echo=echo)
        return f"{before}\n\n{reply}"

    # -- beside the reply --------------------------------------------------------------------------

    def _suggestions(self) -> list[str]:
        phrases, topics = self._phrases, self._pieces.topics
        chosen = []
        if topics:
            topic = self._choose.pick(topics, "topic")
            chosen.append(self._filled(self._choose.pick(phrases.topic_suggestions, "about"), topic=topic))
        while len(chosen) < 3:
            chosen.append(self._filled(self._choose.pick(phrases.suggestions, f"suggestion {len(chosen)}")))
        return chosen

    def _event(self) -> str:
        phrases = self._phrases
        beginning = phrases.event_said if self._said.echo else phrases.event_quiet
        character = self._choose.pick(phrases.event_character, "event")
        return self._filled(" —> ".join((beginning, character, phrases.event_last)))

    def _thinking(self) -> str:
        phrases = self._phrases
        beginning = phrases.thinking_said if self._said.echo else phrases.thinking_quiet
        card = phrases.thinking_card if self._used else phrases.thinking_bare
        parts = phrases.comma.join(phrases.kinds[name] for name in self._used)
        plan = "" if self._type == "impersonate" else phrases.thinking_plan
        whole = phrases.thinking + beginning + ("" if self._type == "impersonate" else card) + plan
        return self._filled(whole, kind=phrases.kinds[self._said.kind], parts=parts)

    # -- filling in --------------------------------------------------------------------------------

    def _narrated(self, template: str, **more: str) -> str:
        return f"*{self._filled(template, **more)}*"

    def _spoken(self, template: str) -> str:
        before, after = self._phrases.quotes
        text = self._filled(template)
        # A quotation within what is said gets the inner marks.
        if after == "”" and "“" in text:
            text = text.replace("“", "‘").replace("”", "’")
        return f"{before}{text}{after}"

    def _filled(self, template: str, **more: str) -> str:
        values = {
            "name": self._material.name,
            "user": self._material.user,
            "echo": self._said.echo,
            **more,
        }
        text = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), template)
        return text[:1].upper() + text[1:]


def _seed(request: ModelRequest) -> bytes:
    """Everything that the reply depends on. `extra["attempt"]` may number the swipes of one place."""
    digest = hashlib.blake2b(digest_size=32)
    character = astuple(request.character) if request.character else ()
    extra = (str(request.extra.get("type", "")), str(request.extra.get("attempt", "")))
    for part in (request.language, *extra, *character):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    for message in request.messages:
        digest.update(f"{message.role}\0{message.content}\0".encode("utf-8", "replace"))
    return digest.digest()


def _told(request: ModelRequest) -> str:
    """What has been said in the conversation, newest 40,000 characters, without the greeting."""
    greeting = request.character.greeting if request.character else ""
    # The greeting is quoted from: counted, its own lines would all pass for used.
    texts = [m.content for m in request.messages if m.role != "system" and m.content != greeting]
    return "\n".join(texts)[-40_000:]
