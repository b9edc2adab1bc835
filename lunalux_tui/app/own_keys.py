"""The person's own keys: which of `[keys]` name an action and a key, and what is wrong with the others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from lunalux_core.config.toml_lines import FileLine, line_of
from lunalux_core.errors import InvalidInput
from lunalux_tui.actions import Action

MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
NAMED = {key.value.rpartition("+")[2] for key in Keys} | set(KEY_NAME_REPLACEMENTS.values())


def checked_keymap(
    wanted: Mapping[str, str], actions: Iterable[Action], path: Path | None = None
) -> tuple[dict[str, str], list[InvalidInput]]:
    """The entries of a key map that name an action and keys, and what is wrong with the others.

    Args:
        path: the file they stand in, to tell the line.
    """
    ids = {action.id for action in actions}
    good: dict[str, str] = {}
    wrong: list[InvalidInput] = []
    for action_id, keys in wanted.items():
        names = [name.strip() for name in keys.split(",") if name.strip()]
        strange = [name for name in names if not is_key(name)]
        if action_id not in ids:
            wrong.append(
                InvalidInput(
                    "KEY_UNKNOWN_ACTION",
                    f"The key map names {action_id!r}, which is no action ({_where(path, action_id)}).",
                    "F1 lists the actions with their names.",
                    action=action_id,
                    where=_where(path, action_id),
                )
            )
        elif strange or not names:
            wrong.append(
                InvalidInput(
                    "KEY_UNKNOWN",
                    f"{', '.join(strange) or keys!r} is no key ({_where(path, action_id)}).",
                    "Keys look like ctrl+y, f9 or question_mark; the default is used meanwhile.",
                    name=", ".join(strange) or keys,
                    where=_where(path, action_id),
                )
            )
        else:
            good[action_id] = keys
    return good, wrong


def is_key(name: str) -> bool:
    """Whether a terminal could send such a key: ctrl+y, f9, question_mark, ü."""
    *modifiers, key = name.split("+") if name != "+" and not name.endswith("++") else [name]
    if not set(modifiers) <= MODIFIERS or not key:
        return False
    if len(key) == 1 or key in NAMED:
        return True
    try:
        # Textual names signs as Unicode does: question_mark.
        unicodedata.lookup(key.replace("_", " "))
    except KeyError:
        return False
    return True


def _where(path: Path | None, action_id: str) -> FileLine:
    """The file and the line of an entry of `[keys]`."""
    try:
        line = line_of(path.read_text(encoding="utf-8-sig"), ("keys", action_id)) if path else 0
    except (OSError, UnicodeDecodeError):
        line = 0
    return FileLine(str(path or "[keys]"), line)
