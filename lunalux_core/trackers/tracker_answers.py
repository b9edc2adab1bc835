"""Reading a model's answer for a tracker: lenient in form, checked against the shape and the story."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lunalux_core.documents.coerce import as_object
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.library.trackers import Tracker
from lunalux_core.memory.memory_answers import (
    UnusableAnswer,
    json_object_in,
    same_script,
    script_of,
    shared_words,
    unknown_names,
    without_thought,
)
from lunalux_core.trackers.shape import departure, labels

LEAST_SHARED = {"answer": 0.2, "prose": 0.55}
"""The share of a value's words that must occur in its material; higher for prose without JSON."""
SENTENCE_WORDS = 6
"""A text of fewer words is a label, in which capitalised words are not taken for names."""
LEAST_LETTERS = 12
"""A text of fewer letters is too short to recognise its language."""
_FENCE = re.compile(r"\A```\w*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


def read_value(raw: str, tracker: Tracker, material: str) -> str | UnusableAnswer:
    """The new value in an answer, or why there is none.

    Args:
        material: the texts it may be made of: the messages, the old value, the instruction, names.
    """
    text = without_thought(raw)
    if not text:
        return UnusableAnswer("empty")
    document = well_formed_value(json_object_in(text))
    prose = False
    if tracker.form == "json":
        value: str | None = _json_value(document, tracker.shape)
    else:
        value = _text_value(document)
        # Without `{"value": …}` the text itself may be the value; beside other JSON only if the shape has
        # labels, by which its lines are found.
        if value is None and (document is None or labels(tracker.shape)):
            value, prose = _plain(text, tracker.shape), not labels(tracker.shape)
    if value is None:
        return UnusableAnswer("no_json")
    if not value.strip():
        return UnusableAnswer("empty")
    if fault := departure(value, tracker.form, tracker.shape):
        return UnusableAnswer("shape", fault)
    return _refusal(value, tracker, material, prose) or value


def _json_value(document: Any, shape: str) -> str | None:
    """The value as JSON text, taken out of `{"value": …}` if the answer is one."""
    if not isinstance(document, dict):
        return None
    properties = as_object(as_object(json.loads(shape) if shape else {}).get("properties"))
    value: Any = document
    # If the schema itself has a property "value", the whole object is the value.
    if "value" in document and "value" not in properties:
        value = document["value"]
        # Some models write the JSON of the value as a string.
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                pass
    return json.dumps(well_formed_value(value), ensure_ascii=False)


def _text_value(document: Any) -> str | None:
    """The text in an answer; None if it has none."""
    if not isinstance(document, dict):
        return None
    value = document.get("value", document.get("text"))
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_line(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "\n".join(f"- {_line(item)}" for item in value)
    return None


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str, shape: str) -> str | None:
    """The value in an answer without JSON; lines before the first label of the shape are dropped."""
    fenced = _FENCE.match(text)
    text = (fenced[1] if fenced else text).strip()
    wanted = labels(shape)
    if not wanted:
        # Broken JSON must not be stored as if it were prose.
        return None if "{" in text else text
    lines = text.splitlines()
    first = next((at for at, line in enumerate(lines) if labels(line)[:1] == wanted[:1]), None)
    return "\n".join(lines[first:]).strip() if first is not None else None


def _refusal(value: str, tracker: Tracker, material: str, prose: bool) -> UnusableAnswer | None:
    texts = list(_texts(json.loads(value))) if tracker.form == "json" else value.splitlines()
    whole = "\n".join(texts)
    # Not for short values such as "Mood: calm".
    if sum(letter.isalpha() for letter in whole) >= LEAST_LETTERS:
        script = script_of(whole)
        if not any(same_script(script, script_of(text)) for text in (material, tracker.instruction)):
            return UnusableAnswer("language")
    # Short texts are labels and headings, where every word may be capitalised.
    sentences = (text for text in texts if len(text.split()) >= SENTENCE_WORDS)
    unknown = [name for text in sentences for name in unknown_names(text, material)]
    if unknown:
        return UnusableAnswer("names", ", ".join(dict.fromkeys(unknown[:5])))
    shared = shared_words(whole, material)
    if shared is not None and shared < LEAST_SHARED["prose" if prose else "answer"]:
        return UnusableAnswer("invented")
    return None


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)
