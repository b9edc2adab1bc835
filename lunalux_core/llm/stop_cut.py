"""A reply that ends at a stop string which its server was not told, or does not know."""

from __future__ import annotations

from collections.abc import Iterable


class StopCut:
    """Lets a reply through up to the first stop string. What may be the beginning of one waits.

    A reply that begins with a stop string is not cut there, as nothing would be left.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._held = ""
        self.visible = False
        """Whether anything has been let through that can be seen."""
        self.over = False
        """Whether a stop string has come: what follows is of no use."""

    def feed(self, text: str) -> str:
        """What is certain of the reply now."""
        if self.over:
            return ""
        self._held += text
        place = self._first()
        if place is not None:
            self.over = True
            certain, self._held = self._held[:place], ""
            return certain
        keep = max((begun(self._held, stop) for stop in self._stops), default=0)
        certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        self.visible = self.visible or bool(certain.strip())
        return certain

    def rest(self) -> str:
        """What was held back, at the end."""
        text, self._held = self._held, ""
        return text

    def _first(self) -> int | None:
        """Where the stop string begins that is complete first, so that it does not matter in which pieces a
        reply comes."""
        # Until something is visible, one at the very beginning does not count: nothing would be left of the
        # reply.
        begin = 0 if self.visible else len(self._held) - len(self._held.lstrip()) + 1
        places = []
        for stop in self._stops:
            place = self._held.find(stop, begin)
            if place >= 0:
                places.append((place + len(stop), place))
        return min(places)[1] if places else None


def begun(text: str, mark: str) -> int:
    """How many characters at the end of a text may be the beginning of a mark."""
    tail = text[-(len(mark) - 1) :] if len(mark) > 1 else ""
    place = tail.find(mark[0])
    while place >= 0:
        if mark.startswith(tail[place:]):
            return len(tail) - place
        place = tail.find(mark[0], place + 1)
    return 0
