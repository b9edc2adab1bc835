"""What the practice model finds in a card and in the conversation: whole pieces it may quote.

Only pieces that read well by themselves are taken (a sentence, a spoken line, a short trait), so that
weaving them in can never break grammar, whatever the card's author wrote them in. Lines of attributes,
instructions to a model and anything with markup are left out.

See docs/spec/formats.md: Narratium assembly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal

from lunalux_core.llm.model import CharacterMaterial, Message

FIELD_CHARS = 8_000
"""How much of each field of a card is looked at: plenty to quote from, and quick for a huge card."""

UtteranceKind = Literal["hello", "thanks", "bye", "question", "action", "statement", "silence"]

_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]+[”\"」』’]?|[^.!?。！？\n]+$", re.MULTILINE)
_SPEECH = re.compile(r"“([^“”\n]+)”|\"([^\"\n]+)\"|「([^「」\n]+)」")
_HAN = re.compile("[\u4e00-\u9fff]")
_NARRATION = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")
_UNFIT = re.compile(r"[<>{}\[\]=|#`*_~\\()（）【】/]|https?:|^[\w ]{1,20}[:：]|[:：]$")
_INSTRUCTION = re.compile(
    r"\b(will not|do not|don't|never|must|should|role-?play|write|reply|responses?|respond|user|AI|NSFW)\b"
    r"|^(avoid|keep|use|make|ensure|include|always|describe|stay|remember|speak)\b"
    r"|不要|必须|禁止|扮演|回复|输出|请勿|用户",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(I|me|my|I'm|I'll)\b|我")
_KINDS: tuple[tuple[UtteranceKind, re.Pattern[str]], ...] = (
    ("thanks", re.compile(r"\b(thanks|thank you|thx)\b|谢谢|多谢|感谢", re.I)),
    ("bye", re.compile(r"\b(goodbye|bye|good night|farewell|see you)\b|再见|晚安|告辞|回头见", re.I)),
    ("question", re.compile(r"[?？]|^(who|what|where|when|why|how|which)\b|[吗呢么]$", re.I)),
    (
        "hello",
        re.compile(r"^(hi|hey|hello|greetings|good (morning|evening|day))\b|你好|您好|嗨|早上好", re.I),
    ),
)
# The elements that the built-in presets wrap the parts of a card in.
_ELEMENTS = {
    "charDescription": "description",
    "charPersonality": "personality",
    "scenario": "scenario",
    "dialogueExamples": "examples",
}
_NAME = r"([^\n:：.。<>]{1,80}?)"
# Where prompts say who talks: the history's opening, our presets, SillyTavern's usual main prompt.
_CHARACTER = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rf"<chatHistory>\s*[^\n]{{1,40}}\n{_NAME}: ",
        rf"\bWrite {_NAME}'s next (?:message|reply)\b",
        rf"^你是{_NAME}。请写",
    )
)
_PERSON = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rf"^- what {_NAME} might say or do next",
        rf"^- {_NAME}接下来可能说的话",
        rf"'s next message to {_NAME}:",
        rf"\bfictional chat between [^\n]{{1,80}}? and {_NAME}\.",
        rf"。请写[^\n。]{{1,80}}?对{_NAME}的下一条消息",
    )
)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a reply may quote. Each piece stands alone, with its own punctuation, without quote marks."""

    traits: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Utterance:
    """The person's last words: what kind they are, and a short phrase of them to take up."""

    kind: UtteranceKind
    echo: str = ""


def is_chinese(text: str) -> bool:
    return bool(_WIDE.search(text))


def size(text: str) -> int:
    """Words; a wide character counts as one."""
    wide = len(_WIDE.findall(text))
    return wide + len(re.findall(r"[A-Za-z0-9'’-]+", text))


def material_from(messages: Iterable[Message], language: str) -> CharacterMaterial:
    """Stand-in for a caller that knows no card (the gateway): what the prompt's own elements say."""
    nobody = CharacterMaterial("对方", "你") if language == "zh" else CharacterMaterial("The stranger", "you")
    texts = [message.content for message in messages]
    values = {}
    for element, name in _ELEMENTS.items():
        pattern = re.compile(rf"<{element}>(.*?)</{element}>", re.DOTALL)
        match = next((m for text in texts if (m := pattern.search(text))), None)
        if match:
            values[name] = match[1]
    for patterns, name in ((_CHARACTER, "name"), (_PERSON, "user")):
        if text := _first(patterns, texts):
            values[name] = text
    return replace(nobody, **values)


def _first(patterns: Iterable[re.Pattern[str]], texts: Iterable[str]) -> str:
    hits = (match for pattern in patterns for text in texts if (match := pattern.search(text)))
    return next((match[1].strip() for match in hits), "")


def with_names(material: CharacterMaterial) -> CharacterMaterial:
    """The same with short names, the name macros filled in, and blanks made plain."""
    material = replace(material, name=_short_name(material.name), user=material.user.strip())
    changes = {}
    for field in fields(material):
        text = getattr(material, field.name)[:FIELD_CHARS]
        # A function, since a backslash in a name would be read as a reference to a group.
        text = re.sub(r"\{\{char\}\}|<BOT>", lambda _: material.name, text, flags=re.I)
        text = re.sub(r"\{\{user\}\}|<USER>", lambda _: material.user, text, flags=re.I)
        changes[field.name] = text.replace("\r", "").replace("\xa0", " ")
    return replace(material, **changes)


def pieces_of(material: CharacterMaterial) -> Pieces:
    """Everything quotable in a card whose macros are filled in."""
    shown = f"{material.greeting}\n{material.examples}\n{material.description}"
    traits = _traits(material.personality)
    described = _SPEECH.sub(lambda match: "\n" if _is_said(match) else match[0], material.description)
    about = [*_sentences(described), *([] if traits else _sentences(material.personality))]
    about += [piece for match in _NARRATION.finditer(material.examples) for piece in _sentences(match[1])]
    spoken = [_words(match) for match in _SPEECH.finditer(shown) if _is_said(match)]
    place = _sentences(material.scenario)
    return Pieces(
        traits=traits,
        about=tuple(dict.fromkeys(sentence for sentence in about if not _FIRST_PERSON.search(sentence))),
        place=tuple(dict.fromkeys(place)),
        spoken=tuple(dict.fromkeys(line for line in spoken if 3 <= size(line) <= 24 and _fit(line))),
        topics=_topics(material, [*place, *about]),
    )


def _words(speech: re.Match[str]) -> str:
    return str(next(filter(None, speech.groups()))).strip()


def _is_said(quotation: re.Match[str]) -> bool:
    """Whether it is something said. In Chinese the same marks stand around names, too: what is said ends like
    a sentence there, or a verb of saying or a colon leads to it."""
    words = _words(quotation)
    if not _HAN.search(words):
        return True
    before = quotation.string[: quotation.start()].rstrip(" \n*")
    return words[-1] in "。！？…!?~～" or before.endswith(("：", ":", "说", "问", "道", "喊", "答"))


def said_in(messages: Iterable[Message]) -> Utterance:
    """Read the last user message. Wrappers of presets and of the input box are looked through.

    A framework's message without the person's words is nothing said: in a group, another member spoke last.
    """
    text = next((message.content for message in reversed(list(messages)) if message.role == "user"), "")
    if "</chatHistory>" in text and "</userInput>" not in text:
        return Utterance("silence", "")
    for element in ("userInput", "input_message"):
        if match := re.search(rf"<{element}>(.*?)</{element}>", text, re.DOTALL):
            text = match[1]
    text = re.sub(r"<[^<>]{1,40}>|[<>]", " ", text).strip()
    words = re.sub(r"\*[^*]*\*", " ", text).strip()
    if not words:
        return Utterance("action" if text else "silence", _short(text.strip("* ")))
    plain = re.sub(r"[\"“”「」*_`#{}]+", " ", words).strip()
    kind: UtteranceKind = next((kind for kind, sign in _KINDS if sign.search(plain)), "statement")
    sentences = [
        sentence.strip() for sentence in re.split(r"(?<=[.!?。！？])\s*|\n+", plain) if sentence.strip()
    ]
    questions = [sentence for sentence in sentences if sentence[-1] in "?？"]
    chosen = questions[-1] if kind == "question" and questions else max(sentences, key=size, default="")
    return Utterance(kind, _short(chosen))


def _short(text: str, words: int = 9, wide: int = 18) -> str:
    """The beginning of a phrase, without the punctuation at its ends."""
    text = " ".join(text.split())
    if not size(text):
        return ""
    if is_chinese(text):
        clause = re.split(r"[，,；;。]", text)[0] if len(text) > wide else text
        return clause[:wide].strip(" ，。！？!?.…、~～")
    cut = text.split(" ")[:words]
    return " ".join(cut)[:70].strip(" ,.!?;:…~-")


def _sentences(text: str) -> list[str]:
    sentences = []
    for line in text.split("\n"):
        line = re.sub(r"^\s*[-•·]\s*", "", line)
        for match in _SENTENCE.finditer(line):
            sentence = " ".join(match[0].split())
            if 4 <= size(sentence) <= (48 if is_chinese(sentence) else 24) and _fit(sentence):
                sentences.append(sentence if sentence[-1] in '.!?。！？”"」' else sentence + _stop(sentence))
    return sentences


def _fit(text: str) -> bool:
    """Whether a piece reads well alone: it begins like a sentence and holds no markup or instruction."""
    begins = text[:1].isupper() or is_chinese(text[:1]) or not text[:1].isascii()
    return begins and not _UNFIT.search(text) and not _INSTRUCTION.search(text) and '"' not in text


def _short_name(name: str) -> str:
    """`Mira, keeper of the lamps` is called Mira."""
    short = re.split(r"[,，(（|/]", name)[0].strip()
    return short or name.strip()


def _stop(text: str) -> str:
    return "。" if is_chinese(text) else "."


def _traits(personality: str) -> tuple[str, ...]:
    items = [item.strip(" .。\n") for item in re.split(r"[,，、;；\n]", personality)]
    short = [item for item in items if item and len(item) <= 24 and size(item) <= 8]
    plain = [
        item if is_chinese(item) else item.lower()
        for item in short
        if len(item.split()) <= 3 and _fit(item.capitalize())
    ]
    return tuple(dict.fromkeys(plain)) if len(plain) * 2 > len(items) else ()


def _topics(material: CharacterMaterial, sentences: Iterable[str]) -> tuple[str, ...]:
    """Names worth asking about: capitalised within a sentence, or in Chinese title marks."""
    text = "\n".join(sentences)
    names = set(re.findall(r"\w+", f"{material.name} {material.user}".lower()))
    latin = re.findall(r"(?<=[a-z,] )[A-Z][a-z]{3,}(?: [A-Z][a-z]{2,})?", text)
    titled = re.findall(r"《([^《》]{2,12})》", text)
    fresh = [topic for topic in latin if not names & set(topic.lower().split())]
    return tuple(dict.fromkeys(fresh + titled))
