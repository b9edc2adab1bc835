"""Pictures in requests: how each protocol has them, and how a server says that it takes none."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.documents.picture_refs import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lunalux_core.documents.picture_refs import Attachment
    from lunalux_core.llm.model import Message

REFUSED = re.compile(
    r"(image|vision|multi-?modal|mmproj)[\w ]{0,30}"
    r"(not (supported|enabled|available|allowed|permitted)|unsupported|disabled)"
    r"|(not|n't) (support|accept|take|have)[\w -]{0,40}(image|vision|multi-?modal)"
    r"|no (endpoints?|models?|providers?)[\w ]{0,30}(image|vision|multi-?modal)"
    r"|image_url.{0,40}(only supported|not supported|unsupported|unknown|invalid|unexpected)"
    r"|(unknown variant|unexpected|invalid|unsupported).{0,40}image(_url)?"
    r"|(not|n't) (a )?(multi-?modal|vision)|text[- ]only model|missing data required for image|\bmmproj\b"
    r"|no multi-?modal|images?\b.{0,20}(is|are) only supported|content type.{0,20}image"
    r"|content (must be|should be|expected).{0,12} string"
    r"|expected (a |type )?string.{0,30}(list|array|sequence)"
)
"""A refusal in lower case that is about pictures, or about messages of several parts."""


def base64_of(picture: Attachment) -> str:
    return b64encode(picture.data).decode("ascii")


def data_uri(picture: Attachment) -> str:
    return f"data:{picture.ref.type};base64,{base64_of(picture)}"


def openai_content(message: Message) -> str | list[dict[str, Any]]:
    """The content of a message: parts where it has pictures."""
    if not message.pictures:
        return message.content
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_uri(picture)}} for picture in message.pictures
    ]
    return [*parts, {"type": "text", "text": message.content}] if message.content else parts


def anthropic_parts(pictures: Iterable[Attachment]) -> list[dict[str, object]]:
    return [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": picture.ref.type, "data": base64_of(picture)},
        }
        for picture in pictures
    ]


def gemini_parts(pictures: Iterable[Attachment]) -> list[dict[str, object]]:
    return [
        {"inlineData": {"mimeType": picture.ref.type, "data": base64_of(picture)}} for picture in pictures
    ]


def named_only(message: Message) -> Message:
    """The message for a model that takes no pictures."""
    if not message.pictures:
        return message
    words = in_words(message.content, (picture.ref for picture in message.pictures))
    return replace(message, content=words, pictures=())


def takes_none(text: str, body: bytes) -> bool:
    """Whether a refusal is about pictures."""
    return bool(
        REFUSED.search(text.lower()) or REFUSED.search(body[:4000].decode("utf-8", "replace").lower())
    )


def shown_body(value: Any) -> Any:
    """A request's body for people: the bytes of pictures are told by their size."""
    if isinstance(value, Mapping):
        return {name: _shown(name, part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown_body(part) for part in value]
    return value


_URI = re.compile(r"data:image/[a-z+.-]+;base64,")
_BARE = frozenset({"data", "images"})
"""Fields in which pictures stand without a word of what they are."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{80,}={0,2}\Z")


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, list) and name in _BARE:
        return [_shown(name, part) for part in value]
    if not isinstance(value, str):
        return shown_body(value)
    if match := _URI.match(value):
        return f"{match[0]}… ({_kilobytes(len(value) - match.end())})"
    if name in _BARE and _BASE64.match(value):
        return f"… ({_kilobytes(len(value))})"
    return value


def _kilobytes(characters: int) -> str:
    """The size of what so many characters of base64 hold."""
    return f"{max(round(characters * 3 / 4 / 1024), 1)} KB"
