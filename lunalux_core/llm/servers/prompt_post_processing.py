"""Post-processing of the prompt: the messages reshaped for servers whose chat template is strict.

A template may want one system message at the beginning, or none; roles that alternate; the person first, or
last; no names. A person chooses one of five modes for a model; without a choice the messages go as they are,
and each refusal teaches what this server does not take, until it takes them (`Shape.after`). Nothing of the
words is ever left out: a name or a role that cannot be sent stands in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from lunalux_core.llm.model import POST_PROCESSING, CharacterMaterial, Message, ModelRequest, PostProcess

OPENERS = {"en": "Let us begin.", "zh": "我们开始吧。"}
"""The person's first words where a template wants some before the character's."""

CLOSERS = {"en": "Go on.", "zh": "请继续。"}

_EXAMPLES = {"example_user": "user", "example_assistant": "assistant"}
"""Names that mark a system message as a line of an example dialogue."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How messages go over the wire: a mode, and what besides the server would not take.

    `system`: it knows system messages. `names`: a message may have one. `user_last`: the person must have the
    last word.
    """

    mode: PostProcess = "none"
    system: bool = True
    names: bool = True
    user_last: bool = False

    def __str__(self) -> str:
        """For the inspector: the mode, and what else was done. "" where nothing was."""
        extra = [] if self.system else ["no system"]
        extra += [] if self.names else ["no names"]
        extra += ["user last"] if self.user_last else []
        return ", ".join([self.mode, *extra]) if extra or self.mode != "none" else ""

    def after(self, refusal: str, messages: Iterable[Message]) -> Shape | None:
        """The next shape to try after a refusal in these words; None when they are not about the messages, or
        nothing is left to try."""
        text = refusal.lower()
        # The other modes put names into the text already: nothing is left to take away.
        named = self.names and self.mode == "none" and any(message.name for message in messages)
        if named and _NAME.search(text):
            return replace(self, names=False)
        if _USER_LAST.search(text) and not self.user_last:
            return replace(self, user_last=True)
        for sign, shape in ((_NO_SYSTEM, "system"), (_ALTERNATE, "strict"), (_SYSTEM_FIRST, "semi-strict")):
            if not sign.search(text):
                continue
            if shape == "system" and self.system and self.mode != "single":
                return replace(self, system=False)
            # As far as the words of the refusal ask for, and no further: each step changes the prompt.
            if shape != "system" and _rank(self.mode) < _rank(shape):
                return replace(self, mode=shape)  # type: ignore[arg-type]
            return self._stricter()
        return self._stricter() if _TEMPLATE.search(text) else None

    def _stricter(self) -> Shape | None:
        """One step up: semi-strict, strict, without a system message, all in one message."""
        if _rank(self.mode) < _rank("semi-strict"):
            return replace(self, mode="semi-strict")
        if _rank(self.mode) < _rank("strict"):
            return replace(self, mode="strict")
        if self.mode == "strict" and self.system:
            return replace(self, system=False)
        return Shape("single") if self.mode == "strict" else None

    def as_json(self) -> dict[str, Any]:
        return {"mode": self.mode, "system": self.system, "names": self.names, "user_last": self.user_last}

    @classmethod
    def from_json(cls, value: object) -> Shape:
        """A stored shape; one that cannot be read is none."""
        if not isinstance(value, dict) or value.get("mode") not in POST_PROCESSING:
            return cls()
        return cls(
            value["mode"],
            value.get("system") is not False,
            value.get("names") is not False,
            value.get("user_last") is True,
        )


def _rank(mode: str) -> int:
    return POST_PROCESSING.index(mode)


_NAME = re.compile(
    r"can have a name|\bnames? (is|are|field|property|parameter)|['\"`.\]]name\b|\bname['\"`]"
    r"|unsupported.{0,20}\bname\b|\bname\b.{0,30}(unsupported|not (supported|permitted|allowed)|forbidden)"
)
_ALTERNATE = re.compile(
    r"alternat|consecutive|same role|(first|conversation|(must|should) (start|begin)).{0,60}\buser\b"
    r"|expected.{0,20}role|(invalid|unexpected) role.{0,14}assistant"
    r"|role order|roles must|(odd|even)-numbered messages|successive|interleav"
    r"|user in the first|交替|第一条.{0,12}(user|用户)"
)
_SYSTEM_FIRST = re.compile(
    r"system (message|prompt|role)s?.{0,40}(begin|first|start|only)"
    r"|(only|single|one|multiple|second).{0,20}system|only the first.{0,30}system|system.{0,40}must be"
    r"|messages\W{0,3}[1-9]\d*\W.{0,10}role.{0,20}should be"
    r"|unexpected.{0,20}system|after the (optional )?system"
)
_NO_SYSTEM = re.compile(
    r"(developer|system)[ _](instruction|role|message|prompt)s?.{0,20}(is |are )?"
    r"(not (enabled|supported|allowed|available|valid)|unsupported)"
    r"|(not|n't) support.{0,20}\bsystem\b|unsupported.{0,20}\bsystem\b"
    r"|\bsystem\b['\"`]? (is )?not (supported|allowed)"
    r"|only user.{0,40}(roles?|supported|allowed)|(invalid|unknown)( message)? role.{0,10}system"
    r"|\bsystem\b['\"`]? is not one of|messages\W{0,3}0\W.{0,10}role.{0,20}should be|不支持.{0,6}system"
    r"|unknown (variant|value|enum value).{0,4}\bsystem\b"
    r"|roles?\b.{0,20}must be (in|one of|either)(?!.{0,60}system).{0,12}\buser\b.{0,12}\bassistant\b"
    r"|got ['\"`]?system|role.{0,12}system.{0,40}(invalid|not (supported|valid|allowed))"
)
_USER_LAST = re.compile(
    r"(last|final) (message|role).{0,60}(assistant|user)"
    r"|message at the end.{0,20}user|最后一条.{0,20}(user|用户)"
    r"|prefill.{0,40}(incompatible|not (supported|allowed)|unsupported)"
    r"|add_generation_prompt|(must|should|needs to) end with.{0,30}user"
    r"|(turn|request|conversation)s? end(s)? with.{0,20}user"
)
_TEMPLATE = re.compile(r"jinja|raise_exception|chat[_ ]template|template.{0,40}(error|exception|fail|render)")


def shaped(shape: Shape, request: ModelRequest) -> tuple[Message, ...]:
    """The messages of a request as they go over the wire; those with nothing in them stay here."""
    messages = [message for message in request.messages if message.filled] or list(request.messages)
    if shape.mode != "none" or not shape.system or not shape.names:
        messages = [_named(message, request.character, alone=shape.mode == "single") for message in messages]
    if not shape.system and shape.mode != "single":
        messages = [
            replace(message, role="user") if message.role == "system" else message for message in messages
        ]
    if shape.mode == "single":
        messages = [replace(message, role="user") for message in messages]
    if shape.mode != "none" or not shape.system:
        messages = _merged(messages)
    if shape.mode in {"semi-strict", "strict"}:
        rest = (
            replace(message, role="user") if message.role == "system" else message for message in messages[1:]
        )
        messages = _merged([*messages[:1], *rest])
    if shape.mode == "strict":
        # Only one message of the system, then the person first: what strict templates check.
        lead = 1 if messages and messages[0].role == "system" else 0
        if len(messages) == lead or messages[lead].role != "user":
            messages.insert(lead, Message("user", OPENERS[request.language]))
    if shape.user_last and messages and messages[-1].role != "user":
        messages.append(Message("user", CLOSERS[request.language]))
    return tuple(messages)


def _named(message: Message, character: CharacterMaterial | None, *, alone: bool) -> Message:
    """A message without a name of its own: whose words they are stands before them, where it is not plain."""
    name = message.name or ""
    if message.role == "system":
        name = _called(_EXAMPLES.get(name), character)
    elif alone and not name:
        name = _called(message.role, character)
    text = message.content
    if name and text and not text.startswith(f"{name}: "):
        text = f"{name}: {text}"
    return Message(message.role, text, pictures=message.pictures)


def _called(role: str | None, character: CharacterMaterial | None) -> str:
    if character is None:
        return ""
    return {"assistant": character.name, "user": character.user}.get(role or "", "")


def _merged(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role in one message; those without words are left out."""
    merged: list[Message] = []
    for message in messages:
        if not message.content and not message.pictures:
            continue
        if merged and merged[-1].role == message.role:
            before = merged[-1]
            words = "\n\n".join(filter(None, (before.content, message.content)))
            merged[-1] = replace(message, content=words, pictures=before.pictures + message.pictures)
        else:
            merged.append(message)
    return merged
