"""What the value of a tracker may look like.

A JSON value has a JSON schema, of which the common words are checked: type, properties, required, items,
enum, const, additionalProperties, and the bounds of numbers, texts and lists. A text may have a pattern:
lines that begin with a label and a colon, each of which must be there again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.library.trackers import Form
from lunalux_core.text import clean, clean_line

LONGEST_SHAPE = 20_000
LONGEST_VALUE = 8_000
"""Characters of a value."""
DEEPEST = 24

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_WORDS = frozenset(
    ("$schema", "type", "properties", "items", "required", "enum", "anyOf", "oneOf", "allOf", "$ref", "$defs")
)
_LONGEST_LABEL = 40
_MARKS = " \t\u3000-*#>"
"""What may stand before a label: blanks and marks of Markdown."""


def read_shape(text: str) -> tuple[Form, str]:
    """The form of a value and its shape, from a file's text.

    A JSON schema is taken as it is, also where it is wrapped as servers' answer formats wrap it; another JSON
    value is an example, of which the schema is made; anything else is the pattern of a text.

    Raises:
        InvalidInput: TRACKER_SHAPE, it is empty or too long.
    """
    text = clean(text).strip()
    if not text or len(text) > LONGEST_SHAPE:
        raise InvalidInput(
            "TRACKER_SHAPE",
            f"A shape is a JSON schema, a JSON example or a text of at most {LONGEST_SHAPE} characters.",
            "Give a file that holds one of these.",
            most=LONGEST_SHAPE,
        )
    try:
        document = well_formed_value(json.loads(text))
    except (ValueError, RecursionError):
        return "text", text
    if not isinstance(document, (dict, list)):
        return "text", text
    schema = _unwrapped(document)
    return "json", json.dumps(schema if schema is not None else schema_of(document), ensure_ascii=False)


def schema_of(example: Any, depth: int = 0) -> dict[str, Any]:
    """A schema that an example and values like it fit."""
    if isinstance(example, dict) and depth < DEEPEST:
        properties = {str(name): schema_of(value, depth + 1) for name, value in example.items()}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if isinstance(example, list) and depth < DEEPEST:
        return {"type": "array", **({"items": schema_of(example[0], depth + 1)} if example else {})}
    if isinstance(example, bool):
        return {"type": "boolean"}
    # Not "integer": the next value may well have a fraction.
    if isinstance(example, (int, float)):
        return {"type": "number"}
    return {"type": "string"} if isinstance(example, str) else {}


def departure(value: str, form: Form, shape: str) -> str:
    """Where a value does not fit its shape, in a few words; "" where it fits."""
    if not value.strip():
        return "it is empty"
    if len(value) > LONGEST_VALUE:
        return f"it is longer than {LONGEST_VALUE} characters"
    if form == "text":
        missing = [label for label in labels(shape) if label not in labels(value)]
        return f"it lacks {missing[0]!r}" if missing else ""
    try:
        # Python reads NaN and Infinity, which no JSON has and no other program could read back.
        document = json.loads(value, parse_constant=_refused)
    except (ValueError, RecursionError):
        return "it is no JSON"
    return json_departure(document, json.loads(shape)) if shape else ""


def labels(text: str) -> list[str]:
    """The labels that lines of a text begin with, in any case."""
    # "**Place:** here" and "- Place: here" have the same label.
    heads = (_head(line).lstrip(_MARKS).rstrip().rstrip("*") for line in text.split("\n"))
    return [clean_line(head).casefold() for head in heads if 0 < len(head) <= _LONGEST_LABEL]


def _head(line: str) -> str:
    """What stands before the first colon of a line, "" without one."""
    ends = [at for colon in ":：" if (at := line.find(colon)) >= 0]
    return line[: min(ends)] if ends else ""


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def json_departure(value: Any, schema: Any, at: str = "", depth: int = 0) -> str:
    """Where a JSON value does not fit a schema; words of it that nobody knows are passed over."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return ""
    where = at or "the value"
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{where} is not of the type {' or '.join(map(str, kinds))}"
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return f"{where} is none of {', '.join(map(str, schema['enum'][:8]))}"
    if "const" in schema and value != schema["const"]:
        return f"{where} is not {schema['const']!r}"
    for name in ("anyOf", "oneOf"):
        choices = schema.get(name)
        if isinstance(choices, list) and choices:
            faults = [json_departure(value, choice, at, depth + 1) for choice in choices]
            if all(faults):
                return faults[0]
    if (fault := _out_of_bounds(value, schema)) != "":
        return f"{where} {fault}"
    if isinstance(value, dict):
        return _object_departure(value, schema, at, depth)
    if isinstance(value, list):
        for number, item in enumerate(value):
            if fault := json_departure(item, schema.get("items"), f"{at}[{number}]", depth + 1):
                return fault
    return ""


def _object_departure(value: Mapping[str, Any], schema: Mapping[str, Any], at: str, depth: int) -> str:
    properties = schema.get("properties")
    named = properties if isinstance(properties, dict) else {}
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            return f"{at or 'the value'} lacks {name!r}"
    more = schema.get("additionalProperties")
    for name, item in value.items():
        place = f"{at}.{name}" if at else str(name)
        if name not in named and more is False:
            return f"{place} is not provided for"
        if fault := json_departure(item, named.get(name, more), place, depth + 1):
            return fault
    return ""


def _out_of_bounds(value: Any, schema: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, (int, float)):
        size, low, high = value, schema.get("minimum"), schema.get("maximum")
    elif isinstance(value, str):
        size, low, high = len(value), schema.get("minLength"), schema.get("maxLength")
    elif isinstance(value, list):
        size, low, high = len(value), schema.get("minItems"), schema.get("maxItems")
    else:
        return ""
    if isinstance(low, (int, float)) and size < low:
        return f"is below {low}"
    if isinstance(high, (int, float)) and size > high:
        return f"is above {high}"
    return ""


def _is(value: Any, kind: object) -> bool:
    types = _TYPES.get(str(kind))
    if types is None:
        return True
    # True is an int in Python, and in JSON it is no number.
    if isinstance(value, bool):
        return bool in types
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, types)


def _unwrapped(document: Any) -> dict[str, Any] | None:
    """The schema in a document; None where it holds none."""
    if not isinstance(document, dict):
        return None
    for name in ("json_schema", "schema", "value", "format"):
        inner = document.get(name)
        # A schema may have an entry of such a name itself; only an object without properties is a wrapper.
        if (
            isinstance(inner, dict)
            and (shape := _unwrapped(inner)) is not None
            and "properties" not in document
        ):
            return shape
    kind = document.get("type")
    shaped = isinstance(document.get("properties"), dict) or isinstance(document.get("items"), dict)
    typed = isinstance(kind, str) and kind in _TYPES
    if "$schema" in document or (shaped and typed) or (shaped and document.keys() <= _WORDS):
        return document
    if typed and document.keys() & (_WORDS - {"type"}):
        return document
    return None
