"""The import report of a worldbook: what will behave otherwise than its author may think."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lunalux_core.documents.coerce import as_object
from lunalux_core.worldbook.entry import NOWHERE, Book, Entry

_SHOWN = 8

Uid = int | str


def book_warnings(book: Book, doubled: Sequence[Uid] = ()) -> tuple[str, ...]:
    """One sentence for each thing to know; `doubled` are ids that stood in the file more than once."""
    of_card = book.shape in ("character_book", "lorebook_v3")
    notes = []
    if doubled:
        outcome = "the later one is used" if of_card else "the later one got a new id"
        notes.append(f"{_entries(doubled)}: the id stands there twice; {outcome}.")
    for applies, test, sentence in _CHECKS:
        if applies in (None, of_card) and (uids := [entry.uid for entry in book.entries if test(entry)]):
            notes.append(f"{_entries(uids)}: {sentence}.")
    wishes = {
        "scan_depth": book.scan_depth,
        "token_budget": book.token_budget,
        "recursive_scanning": book.recursive_scanning,
    }
    if named := ", ".join(name for name, value in wishes.items() if value is not None):
        notes.append(
            f"The book's own {named} is kept but not used, as in SillyTavern, unless you turn it on."
        )
    return tuple(notes)


def _entries(uids: Sequence[Uid]) -> str:
    listed = ", ".join(map(str, uids[:_SHOWN]))
    more = f" and {len(uids) - _SHOWN} more" if len(uids) > _SHOWN else ""
    return f"Entry {listed}" if len(uids) == 1 else f"Entries {listed}{more}"


def _enabled_missing(entry: Entry) -> bool:
    return entry.raw.get("enabled") in (None, "") and not entry.disabled


def _keys_no_list(entry: Entry) -> bool:
    keys = entry.raw.get("key", entry.raw.get("keys"))
    return isinstance(keys, str) and bool(keys)


def _never_fires(entry: Entry) -> bool:
    forced = entry.constant or entry.content.startswith("@@")
    return not entry.disabled and not forced and not any(entry.keys) and not _keys_no_list(entry)


def _own_case(entry: Entry) -> bool:
    nested = as_object(entry.raw.get("extensions")).get("case_sensitive")
    return nested is None and not entry.case_sensitive and entry.raw.get("case_sensitive") is True


_CHECKS: tuple[tuple[bool | None, Callable[[Entry], bool], str], ...] = (
    (True, _enabled_missing, "does not say whether it is enabled; taken as enabled, SillyTavern would not"),
    (None, _keys_no_list, "the keys are one text and no list, so they never match"),
    (None, _never_fires, "has no keys and is not constant, so it never fires"),
    (None, lambda entry: entry.position == NOWHERE, "the position is unknown, so the text is put nowhere"),
    (
        False,
        lambda entry: any(entry.secondary_keys) and not entry.selective,
        "has secondary keys that are switched off (selective)",
    ),
    (True, _own_case, "case_sensitive outside of extensions is not used, as in SillyTavern"),
)
"""For cards' books (True), for others (False) or for all (None): what to look for, and what to say."""
