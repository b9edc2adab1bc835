"""Whether what a server does beside answering still goes on, for `/ready`, the metrics and the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.metrics import Metrics


@dataclass(slots=True)
class _Chore:
    """One kind of work. `patience_s`: how long it may go without a success before it stands still."""

    patience_s: float
    since_ms: int
    done_ms: int | None = None
    trouble: str = ""
    told: bool = False


@dataclass(frozen=True, slots=True)
class ChoreState:
    """How one kind of work stands: seconds since it last went well, and whether that is too long."""

    age_s: int
    late: bool
    trouble: str


@dataclass(slots=True)
class Chores:
    """What this process does on timers. Empty in a process that has none."""

    now_ms: Callable[[], int]
    metrics: Metrics
    _chores: dict[str, _Chore] = field(default_factory=dict)

    def expect(self, name: str, patience_s: float) -> None:
        """From now on `name` should go well at least every `patience_s`."""
        self._chores[name] = _Chore(patience_s, self.now_ms())

    def went_well(self, name: str) -> None:
        chore = self._chores.get(name)
        if chore is None:
            return
        if chore.told:
            logger.warning("%s goes on again", name)
        chore.done_ms, chore.trouble, chore.told = self.now_ms(), "", False
        self.metrics.went_well(name, chore.done_ms / 1000)

    def failed(self, name: str, error: Exception) -> None:
        self.metrics.event(f"{name}_failed")
        if (chore := self._chores.get(name)) is not None:
            chore.trouble = type(error).__name__

    def standing(self) -> Mapping[str, ChoreState]:
        """How everything stands. What stands still is told once in the log."""
        standings: dict[str, ChoreState] = {}
        for name, chore in self._chores.items():
            # Before the first success the time counts from when the work was expected.
            age_s = (self.now_ms() - (chore.done_ms or chore.since_ms)) // 1000
            late = age_s > chore.patience_s
            standings[name] = ChoreState(age_s, late, chore.trouble)
            if late and not chore.told:
                chore.told = True
                logger.error("%s stands still", name, extra={"seconds": age_s, "trouble": chore.trouble})
        return standings
