"""A reply to a text prompt while it streams: it ends where the model writes another speaker's turn."""

from __future__ import annotations

from lunalux_core.templates.cleanup import Cleaning, clean_reply, without_stop

_END_OF_TEXT = "<|endoftext|>"


class ReplyCut:
    """Lets a reply through up to the first stop string. What may be the beginning of one waits.

    A reply that begins with a stop string is not cut there, as nothing would be left.
    """

    def __init__(self, cleaning: Cleaning) -> None:
        self._cleaning = cleaning
        self._marks = _marks(cleaning)
        self._held = ""
        self._visible = False
        self.over = False
        """Whether a stop string has come: what follows is of no use."""

    def feed(self, text: str) -> str:
        """What is certain of the reply now."""
        if self.over:
            return ""
        self._held += text
        place = self._first_mark()
        if place is not None:
            self.over = True
            certain, self._held = self._held[:place], ""
            return certain
        keep = self._maybe_begun()
        certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        self._visible = self._visible or bool(certain.strip())
        return certain

    def flush(self) -> str:
        """What was held back, at the end, without the beginning of a stop string."""
        text, self._held = self._held, ""
        return without_stop(text, self._cleaning.stops) if self._visible else text

    def _first_mark(self) -> int | None:
        """Where the mark begins that is complete first, so that it does not matter in which pieces a reply
        comes."""
        # Until something is visible, a mark at the very beginning does not count: nothing would be left of
        # the reply.
        begin = 0 if self._visible else len(self._held) - len(self._held.lstrip()) + 1
        places = []
        for mark in self._marks:
            place = self._held.find(mark, begin)
            if place >= 0:
                places.append((place + len(mark), place))
        return min(places)[1] if places else None

    def _maybe_begun(self) -> int:
        """How many signs at the end may be the beginning of a mark."""
        return max((_begun(self._held, mark) for mark in self._marks), default=0)


class ThoughtFirst:
    """Removes a model's reasoning from the beginning of a reply, by the marks of its template.

    Thinking that is never closed turns out to be the reply, since there is no other.
    """

    def __init__(self, prefix: str, suffix: str) -> None:
        self._prefix, self._suffix = prefix.strip(), suffix.strip()
        self._held = ""
        self._thought: list[str] = []
        self._state = "begin" if self._prefix and self._suffix else "said"

    def feed(self, text: str) -> tuple[str, str]:
        """(text, thinking) that are certain now."""
        if self._state == "said":
            return text, ""
        self._held += text
        if self._state == "begin":
            begun = self._held.lstrip()
            if len(begun) < len(self._prefix) and self._prefix.startswith(begun):
                return "", ""
            if not begun.startswith(self._prefix):
                return self._over(), ""
            self._state, self._held = "thinking", begun.removeprefix(self._prefix)
        thought, closed, rest = self._held.partition(self._suffix)
        if closed:
            self._held = rest.lstrip()
            return self._over(), self._kept(thought)
        keep = _begun(self._held, self._suffix)
        thought, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return "", self._kept(thought)

    def flush(self) -> str:
        """What was held back, at the end."""
        thought = "".join(self._thought) if self._state == "thinking" else ""
        return thought + self._over()

    def _over(self) -> str:
        text, self._held, self._state = self._held, "", "said"
        return text

    def _kept(self, thought: str) -> str:
        self._thought.append(thought)
        return thought


def _begun(text: str, mark: str) -> int:
    """How many signs at the end of a text may be the beginning of a mark."""
    lengths = range(min(len(mark) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(mark[:length])), 0)


def _marks(cleaning: Cleaning) -> tuple[str, ...]:
    """Where a reply ends: stop strings, and what cleaning would cut at."""
    names, instruct = cleaning.names, cleaning.instruct
    other = names.char if cleaning.impersonate else names.user
    marks = [*cleaning.stops, f"\n{other}:", _END_OF_TEXT]
    marks += [f"\n{name}:" for name in names.group if name and name != names.char]
    if instruct is not None:
        marks += [
            sequence for sequence in (instruct.stop_sequence, instruct.input_sequence) if sequence.strip()
        ]
    return tuple(dict.fromkeys(mark for mark in marks if mark))


def cleaned_reply(text: str, cleaning: Cleaning, *, going_on: bool) -> tuple[str, bool]:
    """A whole reply cleaned, and whether cleaning would have left nothing, so that it stays as it is.

    Args:
        going_on: the text is put after one that is there, so the blanks it begins with are part of it.
    """
    cleaned = clean_reply(text, cleaning)
    if not going_on or not cleaned.text:
        return cleaned.text, cleaned.kept
    lead = text[: len(text) - len(text.lstrip())]
    return lead + cleaned.text, cleaned.kept
