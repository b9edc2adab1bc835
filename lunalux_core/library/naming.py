"""Finding a thing by what a person calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

LEAST_BEGINNING = 4
"""Letters of an id that may stand for the whole of it."""


class Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def found(things: Sequence[T], name: str) -> T | None:
    """The thing with this id or name, or with the only name that begins with it or has it as a word, in any
    case; None where there is none or several."""
    key = name.strip().casefold()
    if not key:
        return None
    for thing in things:
        if key in (thing.id, thing.name.casefold()):
            return thing
    for fits in (_begins, _has_word):
        close = [thing for thing in things if fits(thing, key)]
        if len(close) == 1:
            return close[0]
    return None


def nearest(name: str, names: Iterable[str]) -> str:
    """Up to three names like this one, with commas between them; "" where none is."""
    import difflib

    by_key = {name.casefold(): name for name in names}
    key = name.strip().casefold()
    near = {each: None for each in by_key if key and key in each}
    near |= dict.fromkeys(difflib.get_close_matches(key, by_key, 3, 0.4))
    return ", ".join(by_key[each] for each in list(near)[:3])


def _begins(thing: Named, key: str) -> bool:
    return thing.name.casefold().startswith(key) or (len(key) >= LEAST_BEGINNING and thing.id.startswith(key))


def _has_word(thing: Named, key: str) -> bool:
    import re

    return key in re.findall(r"\w+", thing.name.casefold())
