"""Pictures that go with messages: what is said of one, and what it costs in a prompt.

The bytes lie in the library, once for the same picture; messages name them by their hash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lunalux_core.text import clean_line

MOST_EACH = 10
"""Pictures of one message."""
NAME_LENGTH = 120
TYPES: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""Media types of stored pictures, and how their files end."""

# Side and area as Anthropic documents them, the least as OpenAI does: near enough for an estimate.
_LONGEST_SEEN = 1568
_PIXELS_EACH_TOKEN = 750
_LEAST_TOKENS = 85


@dataclass(frozen=True, slots=True)
class PictureRef:
    """A picture of the library. `hash` is the SHA-256 of its bytes, `name` what the person's file was called,
    `type` its media type; sides in pixels, `size` in bytes."""

    hash: str
    name: str
    type: str
    width: int
    height: int
    size: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def tokens(self) -> int:
        """What a model reads it as, about: servers scale long sides down, then count areas."""
        scale = min(1.0, _LONGEST_SEEN / max(self.width, self.height, 1))
        return max(math.ceil(self.width * self.height * scale * scale / _PIXELS_EACH_TOKEN), _LEAST_TOKENS)

    @property
    def words(self) -> str:
        """What stands in the text for a model that takes no pictures."""
        return f"[picture: {self.name}]"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture that goes with words which are being sent; `data` where the library may not have it yet."""

    ref: PictureRef
    data: bytes = field(default=b"", repr=False)


def refs_in(extra: Mapping[str, Any]) -> tuple[PictureRef, ...]:
    """The pictures in the `extra` of a message; what cannot be read is none."""
    rows = extra.get("pictures")
    refs = (_ref(row) for row in rows) if isinstance(rows, list) else ()
    return tuple(ref for ref in refs if ref is not None)


def in_words(text: str, refs: Iterable[PictureRef]) -> str:
    """A text with the names of pictures after it."""
    return "\n".join(filter(None, (text, *(ref.words for ref in refs))))


def picture_name(name: str) -> str:
    """A name in one line, without what would end the brackets around it."""
    return clean_line(name, NAME_LENGTH).replace("[", "(").replace("]", ")").strip() or "picture"


def _ref(row: object) -> PictureRef | None:
    if not isinstance(row, dict) or not isinstance(row.get("hash"), str) or row.get("type") not in TYPES:
        return None
    sides = [row.get(name) for name in ("width", "height", "size")]
    # A picture with strange numbers stays a picture; only its cost in tokens is a guess then.
    width, height, size = (side if isinstance(side, int) and 0 < side < 2**31 else 1 for side in sides)
    return PictureRef(row["hash"], picture_name(str(row.get("name", ""))), row["type"], width, height, size)
