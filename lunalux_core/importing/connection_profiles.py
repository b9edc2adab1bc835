"""SillyTavern's connection profiles: names of what they use, never an address, a proxy or a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.documents.coerce import as_object, as_text, as_texts
from lunalux_core.library.profiles import LENGTH, Profile
from lunalux_core.templates.template_values import ReplyStart
from lunalux_core.text import clean, clean_line

MOST = 1000
"""Profiles that are read of one file."""

_POST_PROCESSING = {
    "merge": "merge",
    "merge_tools": "merge",
    "semi": "semi-strict",
    "semi_tools": "semi-strict",
    "strict": "strict",
    "strict_tools": "strict",
    "single": "single",
    "none": "none",
}
_LEFT = {
    "api-url": "the server's address",
    "proxy": "the proxy",
    "secret-id": "the key",
    "regex-preset": "the set of regex scripts",
    "tokenizer": "the tokenizer",
}
"""What never comes along, or has no meaning here."""
_PARTS = {
    "instruct": "instruct",
    "context": "context",
    "sysprompt": "sysprompt",
    "reasoning-template": "reasoning",
}


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """A profile of a file; `notes` say what was left there, `in_use` whether it was the chosen one."""

    profile: Profile
    notes: tuple[str, ...] = ()
    in_use: bool = False


def connection_profiles(document: object) -> list[ReadProfile]:
    """The profiles of a settings.json, of its `connectionManager` alone, or of a list of profiles."""
    settings = as_object(document)
    extensions = as_object(settings.get("extension_settings"))
    manager = as_object(extensions.get("connectionManager")) or settings
    listed = document if isinstance(document, list) else manager.get("profiles")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    chosen = as_text(manager.get("selectedProfile"))
    return [
        _profile(row, in_use=bool(chosen) and row.get("id") == chosen)
        for row in rows[:MOST]
        if clean_line(as_text(row.get("name")), LENGTH)
    ]


def _profile(row: Mapping[str, Any], *, in_use: bool) -> ReadProfile:
    """One of them. What its list of exclusions names was never part of it."""
    excluded = set(as_texts(row.get("exclude")))
    given = {key: value for key, value in row.items() if key not in excluded}

    def text(key: str) -> str:
        return clean_line(as_text(given.get(key)), 200)

    off = {key for key in ("instruct", "sysprompt") if text(f"{key}-state").lower() == "false"}
    parts = {
        kind: text(key)
        for key, kind in _PARTS.items()
        # "cc" is chat completion, where templates say nothing.
        if text(key) and text("mode") != "cc" and key not in off
    }
    start = clean(as_text(given.get("start-reply-with")))
    # "None" is what SillyTavern's lists have for no choice.
    left = [words for key, words in _LEFT.items() if given.get(key) and given[key] != "None"]
    notes = [f"left where it is: {', '.join(left)}"] if left else []
    notes += [f"{key} was switched off there" for key in sorted(off)]
    profile = Profile(
        clean_line(as_text(row.get("name")), LENGTH),
        model=text("model"),
        preset=text("preset"),
        parts=parts,
        start=ReplyStart("", start, show=True) if start.strip() else None,
        stop=_stops(given.get("stop-strings")),
        post_process=_POST_PROCESSING.get(text("prompt-post-processing").lower(), ""),
    )
    return ReadProfile(profile, tuple(notes), in_use)


def _stops(value: object) -> tuple[str, ...]:
    """Stop strings, which are kept as JSON within the JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return ()
    return tuple(clean(text) for text in as_texts(value) if text)[:MOST]
