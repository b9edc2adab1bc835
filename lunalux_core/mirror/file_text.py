"""What the files of a mirror hold, read strictly enough that nothing of them is lost on the way back."""

from __future__ import annotations

from typing import Any

from lunalux_core.documents.json_text import parse_file
from lunalux_core.errors import InvalidInput


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
    return parse_file(text_of(path, data), path)
