"""JSON as other programs write it, read strictly enough to write it back to them.

Python's `json` accepts NaN, recurses without end and gives out lone surrogates that no UTF-8 writer
takes. Everything that comes out of a card, a lorebook or a preset passes through here instead.

See docs/spec/formats.md: Tolerant reading.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, NoReturn

from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.text import well_formed

MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 200
LATIN_WARNING = "The text is not UTF-8; the characters that could not be read were replaced by \ufffd."

_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_text(raw: bytes, limit: int = MAX_JSON_BYTES) -> tuple[str, tuple[str, ...]]:
    """The text of a JSON file and what had to be mended to read it.

    UTF-8 with or without a byte order mark; UTF-16 with one; anything else is read as UTF-8 with
    replacement characters and says so. No code page is ever guessed.

    Raises:
        LimitExceeded: JSON_TOO_LARGE over `limit` bytes.
    """
    if len(raw) > limit:
        raise LimitExceeded(
            "JSON_TOO_LARGE",
            f"The JSON in this file is larger than {limit // 2**20} MB.",
            "Make the card smaller, for example by moving pictures out of its text.",
            limit=limit,
        )
    encoding = "utf-8"
    if raw.startswith(codecs.BOM_UTF8):
        raw = raw[3:]
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return raw.decode(encoding), ()
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), (LATIN_WARNING,)


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        InvalidInput: CARD_BAD_JSON, also for NaN and Infinity, which no JavaScript program reads.
        LimitExceeded: JSON_TOO_DEEP over 200 levels.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, line {error.lineno} column {error.colno}" if text.strip() else "it is empty"
        raise bad_json(reason) from None
    except ValueError as error:  # a number of thousands of digits, or a name that is no JSON
        raise bad_json(str(error).partition(";")[0]) from None
    _check_depth(value)
    return value


def parse_file(text: str, path: str) -> Any:
    """`parse_json` for the text of a file that is no card; `path` names it, "" where it has no name.

    Raises:
        InvalidInput: JSON_INVALID. LimitExceeded: JSON_TOO_DEEP over 200 levels.
    """
    try:
        return parse_json(text)
    except LimitExceeded:
        raise
    except InvalidInput as error:
        reason = str(error.params.get("reason", ""))
        raise InvalidInput(
            "JSON_INVALID",
            f"{path or 'The file'} is not valid JSON: {reason}.",
            "Export it again where it came from, or repair it in a text editor.",
            path=path,
            reason=reason,
        ) from None


def parse_object(text: str) -> dict[str, Any]:
    """`parse_json` for a text that must hold an object. Raises also InvalidInput (CARD_NOT_OBJECT)."""
    value = parse_json(text)
    if isinstance(value, dict):
        return value
    kind = "a list" if isinstance(value, list) else "a single value"
    raise InvalidInput(
        "CARD_NOT_OBJECT",
        f"The JSON of this file is {kind}, not a character.",
        "Choose a character card.",
        kind=kind,
    )


def dump_json(value: object, *, indent: int | None = None) -> str:
    """JSON text that every UTF-8 writer takes: lone surrogates stay the escapes they came from."""
    return _escape_surrogates(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent))


def canonical_json(value: object) -> str:
    """One text for equal values: sorted keys, no blanks. For hashes, not for files."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _escape_surrogates(text)


def well_formed_value(value: Any) -> Any:
    """`well_formed` for every string of a JSON value, keys included."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {well_formed(key): well_formed_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [well_formed_value(item) for item in value]
    return value


def bad_json(reason: str) -> InvalidInput:
    """The error for a text that is no JSON."""
    return InvalidInput(
        "CARD_BAD_JSON",
        f"The card's text is not valid JSON: {reason}.",
        "Get the card again from its source, or repair the file in a text editor.",
        reason=reason,
    )


def _escape_surrogates(text: str) -> str:
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _check_depth(value: object) -> None:
    # Layer by layer: what is to be found out is whether a recursion would go too deep.
    layer = [value]
    for _ in range(MAX_DEPTH):
        layer = [
            child
            for node in layer
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]
        if not layer:
            return
    raise _too_deep()


def _too_deep() -> LimitExceeded:
    return LimitExceeded(
        "JSON_TOO_DEEP",
        f"The JSON in this file is nested more than {MAX_DEPTH} levels deep.",
        "No real card is; get it again from its source.",
        limit=MAX_DEPTH,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _float(digits: str) -> float:
    """A number beyond a double is held at its border, so that it never turns into Infinity on writing."""
    return min(max(float(digits), -1.7976931348623157e308), 1.7976931348623157e308)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_float)
