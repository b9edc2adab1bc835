"""Which coins pay for a reply: every combination against the rule as it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunalux_core.backend.money.billing import ModelConfig, Wallet, approve
from lunalux_core.errors import PaymentError

COSTS = st.integers(-1, 12)


@given(
    free_level=st.integers(-1, 3),
    lux_level=st.integers(0, 2),
    allow=st.tuples(st.booleans(), st.booleans()),
    costs=st.tuples(COSTS, COSTS),
    coins=st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_the_order_is_free_then_star_then_luna(
    free_level: int,
    lux_level: int,
    allow: tuple[bool, bool],
    costs: tuple[int, int],
    coins: tuple[int, int],
) -> None:
    config = ModelConfig("001", "M", "practice", "p", free_level, *allow, *costs, sort_order=1)
    wallet = Wallet("ada", lux_level, *coins)
    if free_level >= 0 and lux_level >= free_level:
        expected: tuple[str, int] | str = ("free", 0)
    elif allow[0] and costs[0] >= 0 and coins[0] >= costs[0]:
        expected = ("star", costs[0])
    elif allow[1] and costs[1] >= 0 and coins[1] >= costs[1]:
        expected = ("luna", costs[1])
    elif (allow[0] and costs[0] >= 0) or (allow[1] and costs[1] >= 0):
        expected = "INSUFFICIENT_FUNDS"
    else:
        expected = "PAYMENT_NOT_SUPPORTED"
    if isinstance(expected, str):
        with pytest.raises(PaymentError) as refused:
            approve(config, wallet)
        assert refused.value.code == expected
        assert refused.value.message and refused.value.hint
    else:
        approval = approve(config, wallet)
        assert (approval.method, approval.cost) == expected
