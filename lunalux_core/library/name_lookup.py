"""Finding a thing by what a person calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from lunalux_core.errors import Names, NotFound

LEAST_BEGINNING = 4
"""Letters of an id that may stand for the whole of it."""

LONGEST_SHORT = 3
"""Letters of a name that is short where names are compared."""


class Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class NamedReference:
    """A thing that is known by its id and name alone."""

    id: str
    name: str


def find_named(things: Sequence[T], name: str, *, alike: bool = False) -> T | None:
    """The thing with this id or name, or with the only name that begins with it or has it as a word, in any
    case; None where there is none or several.

    Args:
        alike: things of one name are as good as one; the first of them stands for all.
    """
    key = name.strip().casefold()
    if not key:
        return None
    for thing in things:
        if key in (thing.id, thing.name.casefold()):
            return thing
    # A beginning goes before a word inside: "moon" means Moonlight rather than Blue Moon.
    for fits in (_begins, _has_word):
        close = [thing for thing in things if fits(thing, key)]
        if len(close) == 1 or (alike and len({thing.name.casefold() for thing in close}) == 1):
            return close[0]
    return None


def full_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is meant: the very same if there is one, else as `find_named` finds it."""
    candidates = list(names)
    if name in candidates:
        return name
    close = find_named([NamedReference(each, each) for each in candidates], name)
    return None if close is None else close.name


def nearest(name: str, names: Iterable[str]) -> Names:
    """Up to three names like this one."""
    # Only an error needs it, and importing it takes a while.
    import difflib

    by_key = {name.casefold(): name for name in names}
    key = name.strip().casefold()
    # Names that hold the words come first; difflib would often leave a long one out.
    near = {each: None for each in by_key if key and key in each}
    # Of a short name, one other letter is half of it. One word of a name may be meant for the whole.
    alike = 0.6 if len(key) > LONGEST_SHORT else 0.5
    near |= dict.fromkeys(difflib.get_close_matches(key, by_key, 3, alike))
    words = {word: each for each in by_key for word in each.split()}
    near |= {words[word]: None for word in difflib.get_close_matches(key, words, 3, 0.7)}
    return Names(by_key[each] for each in list(near)[:3])


def missing(code: str, message: str, hint: str, name: str, names: Iterable[str]) -> NotFound:
    """The error for a name that nothing has; the nearest names take the place of the hint."""
    candidates = list(names)
    near = nearest(name, candidates)
    if near:
        return NotFound(code, message, f"Did you mean {near}?", kind="near", name=name, near=near)
    return NotFound(code, message, hint, name=name, **({"kind": "named"} if candidates else {}))


def _begins(thing: Named, key: str) -> bool:
    return thing.name.casefold().startswith(key) or (len(key) >= LEAST_BEGINNING and thing.id.startswith(key))


def _has_word(thing: Named, key: str) -> bool:
    return key in words(thing.name)


def words(name: str) -> set[str]:
    """The words of a name without case; "gpt-4.1-mini" is one, and has four in it."""
    import re

    folded = name.casefold()
    return {*re.findall(r"\w+", folded), *re.findall(r"[\w.-]+", folded), *folded.split()}
