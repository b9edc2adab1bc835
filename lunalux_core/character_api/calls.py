"""What a client asks for: the body of a request, read and checked.

The shapes are those of OpenAI's API reference. What it has and a character cannot do (tools, audio, log
probabilities) is left unheard, as by other servers that speak this protocol.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.errors import InvalidInput
from lunalux_core.llm.parameters import PARAMETERS, checked_value
from lunalux_core.text import well_formed

MOST_REPLIES = 16
_OTHER_NAMES = {"max_completion_tokens": "max_tokens", "repetition_penalty": "repeat_penalty"}
"""Names of OpenAI's and of common servers, and ours for the same."""
_NOT_SAMPLING = frozenset({"n", "json_schema"})
"""Parameters of ours that are said otherwise in a body."""
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallLine:
    """One line of a story: who says it, and what."""

    role: Literal["user", "assistant"]
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A request for replies of a character.

    Attributes:
        model: whom it names: a character, or `character@profile`.
        history: the lines before the words that are to be answered, oldest first.
        text: these words, "" where the character is to speak unasked.
        pictures: the bytes of those that go with the words.
        instruction: what the system messages say; it goes to the model with this one turn.
        begins: what the reply begins with, as the last line of the body is the character's own.
        parameters: of the request, by our names.
        conversation: the id of one that is stored; "" leaves it to the key of the client.
        user: whom the client speaks for.
        repeat_key: what the client calls this request, to send it again after a broken connection; "" for
            none.
    """

    model: str
    history: tuple[CallLine, ...] = ()
    text: str = ""
    pictures: tuple[bytes, ...] = ()
    instruction: str = ""
    begins: str = ""
    parameters: Mapping[str, Any] | None = None
    replies: int = 1
    stream: bool = False
    tells_usage: bool = False
    stateless: bool = False
    conversation: str = ""
    user: str = ""
    repeat_key: str = ""


def chat_call(body: object, conversation: str = "") -> CompletionCall:
    """The call of `/v1/chat/completions`.

    Args:
        conversation: what the header X-Lunalux-Conversation says.

    Raises:
        InvalidInput: API_REQUEST_INVALID, PARAMETER_INVALID.
    """
    fields = _object(body, "body")
    said = fields.get("messages")
    if not isinstance(said, list) or not said:
        raise _invalid("messages", "a list with at least one message")
    lines: list[CallLine] = []
    orders: list[str] = []
    pictures: list[bytes] = []
    for message in said:
        entry = _object(message, "messages")
        role = entry.get("role")
        text, shown = _content(entry.get("content"))
        if role in ("system", "developer"):
            orders.append(text)
        elif role == "assistant":
            lines.append(CallLine("assistant", text, _name(entry)))
        elif role in ("user", "tool", "function"):
            if lines and lines[-1].role == "assistant":
                pictures.clear()  # those before a reply were seen with the words that it answered
            lines.append(CallLine("user", text, _name(entry)))
            pictures += shown
        else:
            raise _invalid("role", "system, developer, user or assistant")
    begins = lines.pop().text if lines and lines[-1].role == "assistant" else ""
    history, text = _split(lines)
    return _call(
        fields,
        conversation,
        history=history,
        text=text,
        pictures=tuple(pictures),
        instruction="\n\n".join(filter(str.strip, orders)),
        begins=begins,
    )


def text_call(body: object, conversation: str = "") -> CompletionCall:
    """The call of `/v1/completions`: the prompt is what the person says. Raises as `chat_call`."""
    fields = _object(body, "body")
    prompt = fields.get("prompt")
    # The protocol allows several prompts in a request; here one of them is a turn.
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise _invalid("prompt", "one text")
    return _call(fields, conversation, text=well_formed(prompt))


def _call(fields: Mapping[str, Any], conversation: str, **story: Any) -> CompletionCall:
    model, user = fields.get("model"), fields.get("user")
    if not isinstance(model, str) or not model.strip():
        raise _invalid("model", "the name of a character")
    replies = fields.get("n") if fields.get("n") is not None else 1
    if not isinstance(replies, int) or isinstance(replies, bool) or not 1 <= replies <= MOST_REPLIES:
        raise _invalid("n", f"a whole number from 1 to {MOST_REPLIES}")
    metadata = fields.get("metadata")
    named = metadata.get("conversation") if isinstance(metadata, dict) else None
    options = fields.get("stream_options")
    return CompletionCall(
        model=model.strip(),
        parameters=_parameters(fields),
        replies=replies,
        stream=_flag(fields, "stream"),
        tells_usage=isinstance(options, dict) and options.get("include_usage") is True,
        stateless=_flag(fields, "stateless") or (isinstance(metadata, dict) and _true(metadata)),
        conversation=conversation or (named if isinstance(named, str) else ""),
        user=user if isinstance(user, str) else "",
        **story,
    )


def _true(metadata: Mapping[str, Any]) -> bool:
    """Clients whose own checks refuse an unknown field put it into `metadata`, whose values are texts."""
    # A tuple: a value of any type may stand there, and a set cannot look for a list.
    return metadata.get("stateless") in (True, "true")


def _parameters(fields: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field, value in fields.items():
        name = _OTHER_NAMES.get(field, field)
        if value not in (None, "", [], {}) and name in PARAMETERS and name not in _NOT_SAMPLING:
            values[name] = checked_value(name, value)
    shape = fields.get("response_format")
    described = shape.get("json_schema") if isinstance(shape, dict) else None
    # A schema without a word asks for nothing.
    if isinstance(described, dict) and (schema := described.get("schema", described)):
        values["json_schema"] = checked_value("json_schema", schema)
    return values


def _content(content: object) -> tuple[str, list[bytes]]:
    """The text of a message and its pictures; several parts of text stand below each other."""
    if content is None:
        return "", []
    if isinstance(content, str):
        return well_formed(content), []
    if not isinstance(content, list):
        raise _invalid("content", "a text, or a list of parts")
    texts: list[str] = []
    pictures: list[bytes] = []
    for part in content:
        entry = _object(part, "content")
        if isinstance(entry.get("text"), str):
            texts.append(entry["text"])
        elif entry.get("type") == "image_url":
            pictures.append(_picture(entry.get("image_url")))
    return well_formed("\n".join(texts)), pictures


def _picture(value: object) -> bytes:
    """A picture within the body; one elsewhere is not fetched, as anybody's address may be meant."""
    url = value.get("url") if isinstance(value, dict) else value
    if isinstance(url, str) and (start := _DATA_URL.match(url)):
        try:
            return base64.b64decode(url[start.end() :], validate=True)
        except (binascii.Error, ValueError):
            pass
    raise _invalid("image_url", "a picture as data:image/…;base64,…")


def _split(lines: Sequence[CallLine]) -> tuple[tuple[CallLine, ...], str]:
    """The history, and all of the person's words after the last reply: those that got none are sent again."""
    end = len(lines)
    while end and lines[end - 1].role == "user":
        end -= 1
    words = [line.text for line in lines[end:] if line.text.strip()]
    return tuple(lines[:end]), "\n\n".join(words)


def _name(entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    return well_formed(name) if isinstance(name, str) else ""


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _invalid(name, "true or false")


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(field, "an object")
    return value


def _invalid(field: str, wanted: str) -> InvalidInput:
    return InvalidInput(
        "API_REQUEST_INVALID",
        f"The field {field} is not {wanted}.",
        "Send it as OpenAI's API reference has it.",
        field=field,
        wanted=wanted,
    )
