"""Numbers, ages and levels in the words of the catalogue, for market and wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lunalux_core.account import AccountState
from lunalux_core.ids import now_ms
from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Part
from lunalux_tui.theme.styles import ACCENT, CHARACTER, MUTED, USER

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

STAR, LUNA, LIKES, DOWNLOADS = "★", "☾", "♥", "⇩"


def compact(number: int) -> str:
    """A count in at most five cells: 999, 1.2k, 34k, 5.6M."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            # Four signs before the letter: of "123.4" the point goes too, once its digit was cut.
            return f"{number / size:.1f}".removesuffix(".0")[:4].removesuffix(".") + letter
    return str(number)


def age(then: int, now: int | None = None) -> str:
    """How long ago a moment was (milliseconds since 1970), in the largest unit that fits."""
    passed = (now_ms() if now is None else now) - then
    if passed < MINUTE:
        return t("market.age.now")
    for size, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if passed >= size:
            return t(f"market.age.{name}", n=passed // size)
    raise AssertionError("a minute is the smallest unit")


def lux_name(level: int) -> str:
    """Lux, Super Lux or Ultra Lux."""
    return t(f"wallet.lux.{min(max(level, 0), 2)}")


def wallet_parts(state: AccountState | None, *, weight: int = 1) -> Sequence[Part]:
    """The two balances for a bar; nothing while nobody is signed in."""
    if state is None or not state.wallet:
        return ()
    # Offline the balances are as old as the last answer.
    style = MUTED if state.offline else ACCENT
    return (
        Part(f"{STAR} {compact(state.star)}", style, "app.go('user')", weight),
        Part(f"{LUNA} {compact(state.luna)}", MUTED if state.offline else USER, "app.go('user')", weight),
    )


def lux_style(level: int) -> int:
    """The style bits of a level's badge."""
    return (MUTED, CHARACTER, ACCENT)[min(max(level, 0), 2)]


def rewards_due(state: AccountState) -> int:
    """How many invite rewards wait to be paid out."""
    threshold = int(state.invite.get("threshold", 0))
    return int(state.invite.get("unissuedRewardCount", 0)) // threshold if threshold > 0 else 0


def money(cost: Mapping[str, object]) -> str:
    """Money as people read it, "" for none; small amounts keep two digits that count."""
    amount = cost.get("amount")
    if not isinstance(amount, (int, float)) or isinstance(amount, bool) or amount < 0:
        return ""
    shown = f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.2g}"
    # `g` turns to an exponent below a ten-thousandth, and nobody reads a price that way.
    if "e" in shown:
        shown = f"{amount:.8f}".rstrip("0")
    currency = clean_line(str(cost.get("currency", "")), 8)
    return f"${shown}" if currency == "USD" else f"{shown} {currency}"
