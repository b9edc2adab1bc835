"""A reply to a text prompt while it streams: it ends where the model writes another speaker's turn."""

from __future__ import annotations

from lunalux_core.llm.stop_cut import StopCut, begun
from lunalux_core.templates.cleanup import Cleaning, clean_reply, without_stop

_END_OF_TEXT = "<|endoftext|>"


class ReplyCut(StopCut):
    """A reply to a text prompt: it also ends where cleaning would cut."""

    def __init__(self, cleaning: Cleaning) -> None:
        super().__init__(_marks(cleaning))
        self._cleaning = cleaning

    def flush(self) -> str:
        """What was held back, at the end, without the beginning of a stop string."""
        text = self.rest()
        return without_stop(text, self._cleaning.stops) if self.visible else text


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
            first = self._held.lstrip()
            if len(first) < len(self._prefix) and self._prefix.startswith(first):
                return "", ""
            if not first.startswith(self._prefix):
                return self._over(), ""
            self._state, self._held = "thinking", first.removeprefix(self._prefix)
        thought, closed, rest = self._held.partition(self._suffix)
        if closed:
            self._held = rest.lstrip()
            return self._over(), self._kept(thought)
        keep = begun(self._held, self._suffix)
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
    return tuple(marks)


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
