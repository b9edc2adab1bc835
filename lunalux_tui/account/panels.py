"""What the user screen shows: who one is, what one has, what moved, whom one invited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from textual.reactive import reactive

from lunalux_core.account import AccountState
from lunalux_core.text import clean_line
from lunalux_tui.account.history_chart import moment
from lunalux_tui.i18n import has, t
from lunalux_tui.parts.amounts import LUNA, STAR, age, lux_name, lux_style
from lunalux_tui.parts.drawn import Part
from lunalux_tui.parts.panel import Panel, meter, spread
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, CHARACTER, ERROR, MUTED, REVERSE, USER, WARNING

METER = 24


class NoticePanel(Panel):
    """A sentence for what prevents an account from being shown: signed out, taken over, offline."""

    trouble: reactive[str] = reactive("", layout=True)

    def watch_trouble(self) -> None:
        self.appear()

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        state = self.account
        if state is None:
            return ((Part(t("account.reading"), MUTED),),)
        # Before "signed out", which is true as well then and does not say why.
        if state.status == "taken_over":
            return self._said("taken_over", ERROR, width, "screen.sign_in")
        if not state.signed_in:
            return self._said("signed_out", WARNING, width, "screen.sign_in")
        if state.offline:
            text = (
                t("account.notice.offline", age=age(state.fetched_at)) if state.fetched_at else self.trouble
            )
            return [(Part(f"⚠ {text}", WARNING, "screen.refresh"),)]
        if self.trouble:
            return [_parts(line) for line in wrap([(f"⚠ {self.trouble}", WARNING)], width)]
        return ()

    def _said(self, key: str, style: int, width: int, action: str) -> Sequence[Sequence[Part]]:
        lines = [_parts(line) for line in wrap([(t(f"account.notice.{key}"), style | BOLD)], width)]
        lines += [_parts(line) for line in wrap([(t(f"account.notice.{key}_hint"), MUTED)], width)]
        button = (Part(f"[ {t('action.account.sign_in.label')} ]", ACCENT | BOLD, action),)
        return [*lines, (), button]


class ProfilePanel(Panel):
    """Username, level, e-mail, user id."""

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        state = self.account
        if state is None or not state.user_id:
            return ()
        name = clean_line(state.username or "", 64) or t(
            "account.local" if state.local else "account.nameless"
        )
        badge = f"☾ {lux_name(state.lux_level)} "
        user_id = clean_line(state.user_id, 64)
        mail = t("account.no_mail") if state.local else clean_line(state.email, 254)
        erase = f"[ {t('account.erase.button')} ]"
        room = state.signed_in and cell_len(mail) + cell_len(erase) < width
        return [
            spread(
                [Part(name, CHARACTER | BOLD, "screen.username")],
                [Part(f" {badge}", lux_style(state.lux_level) | BOLD | (REVERSE if state.lux_level else 0))],
                width,
            ),
            spread([Part(mail, MUTED)], [Part(erase, MUTED, "screen.erase")] if room else [], width),
            spread(
                [Part(f"{t('account.user_id')} ", MUTED), Part(user_id, 0, "screen.copy_id")],
                [Part(f"[ {t('account.copy')} ]", ACCENT, "screen.copy_id")],
                width,
            ),
        ]


class BalancePanel(Panel):
    """Both balances, and what was gained and used since the account began."""

    def title(self) -> str:
        return t("wallet.balance")

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        state = self.account
        if state is None or not state.wallet:
            return ()
        rows = [*self._coin(state, "star", width), (), *self._coin(state, "luna", width)]
        if state.signed_in:
            rows += [(), (Part(f"[ {t('wallet.coupon.title')} · c ]", ACCENT, "screen.coupon"),)]
        return rows

    def _coin(self, state: AccountState, coin: str, width: int) -> Sequence[Sequence[Part]]:
        style, sign, balance = (ACCENT, STAR, state.star) if coin == "star" else (USER, LUNA, state.luna)
        gained, used = (
            int(state.ledger.get(f"total{coin.title()}Coin{what}", 0)) for what in ("Gain", "Used")
        )
        full, empty = meter(balance / gained if gained else 0, min(width, METER * 2))
        # They stand beside the balance where there is room for both, else below the meter.
        totals = t("wallet.totals", gained=f"{gained:,}", used=f"{used:,}")
        return [
            spread(
                [Part(f"{sign} {balance:,}", style | BOLD), Part(f"  {t(f'wallet.{coin}')}", MUTED)],
                [Part(totals, MUTED)] if cell_len(totals) + 24 <= width else [],
                width,
            ),
            (Part(full, style), Part(empty, MUTED)),
            *([] if cell_len(totals) + 24 <= width else [(Part(totals, MUTED),)]),
        ]


class InvitePanel(Panel):
    """The invite code, the way to the next reward, and the button that pays it out."""

    def title(self) -> str:
        return t("wallet.invite")

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        state = self.account
        if state is None or not state.invite:
            return ()
        invite = state.invite
        code = clean_line(str(invite.get("inviteCode", "")), 64)
        total, waiting = int(invite.get("totalInvites", 0)), int(invite.get("unissuedRewardCount", 0))
        threshold, reward = int(invite.get("threshold", 0)), int(invite.get("milestoneRewardStar", 0))
        rows: list[Sequence[Part]] = [
            spread(
                [Part(code, CHARACTER | BOLD, "screen.copy_invite")],
                [Part(f"[ {t('account.copy')} ]", ACCENT, "screen.copy_invite")],
                width,
            ),
            (Part(t("wallet.invited", n=total), MUTED),),
        ]
        if threshold and reward:
            full, empty = meter(waiting / threshold, min(width, METER))
            rows.append(
                (
                    Part(full, ACCENT),
                    Part(empty, MUTED),
                    Part(f" {min(waiting, threshold)}/{threshold}", MUTED),
                )
            )
            if waiting >= threshold:
                button = t("wallet.settle", n=waiting // threshold * reward)
                rows.append((Part(f"[ {button} ]", ACCENT | BOLD, "screen.settle"),))
            else:
                left = t("wallet.invites_left", n=threshold - waiting, reward=reward)
                rows += [_parts(line) for line in wrap([(left, MUTED)], width)]
        return rows


class MovesPanel(Panel):
    """The newest movements, and the way to older ones."""

    movements: reactive[Sequence[Mapping[str, Any]]] = reactive((), layout=True)
    more: reactive[bool] = reactive(False, layout=True)

    def watch_movements(self) -> None:
        self.appear()

    def title(self) -> str:
        return t("wallet.moves")

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        if self.account is None or not self.movements:
            return ()
        rows = [self._row(movement, width) for movement in self.movements]
        if self.more:
            rows.append((Part(f"[ {t('action.account.more.label')} ]", ACCENT, "screen.more"),))
        return rows

    def _model(self, model_id: str) -> str:
        """A model by its name, one that is no longer offered by its id."""
        models = self.account.models if self.account is not None else ()
        names = {str(row["modelId"]): str(row["displayname"]) for row in models}
        return clean_line(names.get(model_id, model_id), 40)

    def _row(self, movement: Mapping[str, Any], width: int) -> Sequence[Part]:
        at = moment(str(movement.get("createdAt", "")))
        when = datetime.fromtimestamp(at).strftime("%m-%d %H:%M") if at else " " * 11
        kind = clean_line(str(movement.get("kind", "")), 40)
        # A newer backend may name kinds that have no words here.
        name = t(f"wallet.kind.{kind}") if has(f"wallet.kind.{kind}") else kind
        detail = self._model(str(movement.get("modelId") or ""))
        amount, sign = int(movement.get("amount", 0)), LUNA if movement.get("currency") == "luna" else STAR
        back = movement.get("status") == "REFUNDED"
        style = MUTED if back or not amount else ACCENT if amount > 0 else USER
        text = (
            t("wallet.refunded" if back else "wallet.free") if back or not amount else f"{amount:+,} {sign}"
        )
        right = [Part(text, style | (BOLD if amount > 0 else 0))]
        status = f" · {t('wallet.open')}" if movement.get("status") == "RESERVED" else ""
        left = [
            Part(f"{when}  ", MUTED),
            Part(name),
            Part((f" · {detail}" if detail else "") + status, MUTED),
        ]
        return spread(left, right, width)


def _parts(line: Sequence[tuple[str, int]]) -> Sequence[Part]:
    return tuple(Part(text, style) for text, style in line)
