"""What the files of a mirror hold, read strictly enough that nothing of them is lost on the way back."""

from __future__ import annotations

from typing import Any

from lunalux_core.documents.json_text import parse_json
from lunalux_core.errors import InvalidInput, LimitExceeded


def text_of(path: str, data: bytes) -> str:
    """The text of a file. Raises InvalidInput (MIRROR_NOT_TEXT)."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "MIRROR_NOT_TEXT",
            f"{path} is not UTF-8.",
            "Save it as UTF-8.",
            path=path,
        ) from error


def json_of(path: str, data: bytes) -> Any:
    """The document of a JSON file. Raises InvalidInput (JSON_INVALID), LimitExceeded."""
    text = text_of(path, data)
    try:
        return parse_json(text)
    except LimitExceeded:
        raise
    except InvalidInput as error:
        reason = str(error.params.get("reason", ""))
        raise InvalidInput(
            "JSON_INVALID",
            f"{path} is not valid JSON: {reason}.",
            "Export it again where it came from, or repair it in a text editor.",
            path=path,
            reason=reason,
        ) from None
