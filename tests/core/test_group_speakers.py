"""Who speaks next in a group, for any members, words and dice; and as SillyTavern chooses them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lunalux_core.dialogue.output_contract import NamePrefix
from lunalux_core.groups.turn_order import (
    GroupMember,
    LastSpoken,
    choose_speakers,
    mentioned,
)
from lunalux_core.library.groups import TURN_ORDERS
from lunalux_core.scenarios.groups import replay

VECTORS = Path(__file__).resolve().parents[1] / "data" / "vectors" / "groups.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))
_NEVER_FOUND = "there a name without ASCII words can never be mentioned; ours is found by the whole name"
DEVIATIONS = {
    "natural: Chinese name in Chinese text": _NEVER_FOUND,
    "natural: Chinese name alone with spaces": _NEVER_FOUND,
    "natural: Japanese and Cyrillic names are not found": _NEVER_FOUND,
}

NAMES = ("Mira", "Bao Linh", "Sol the Brave", "林晚灯", "Ünal", "o'hara")
members = st.lists(
    st.builds(
        GroupMember,
        st.sampled_from("abcdef"),
        st.sampled_from(NAMES).map(lambda name: (name,)),
        st.sampled_from((0.0, 0.2, 0.5, 1.0)),
        st.booleans(),
    ),
    unique_by=lambda member: member.id,
    max_size=6,
)
occasions = st.builds(
    LastSpoken,
    st.lists(st.sampled_from((*NAMES, "well,", "the", "brave?")), max_size=4).map(" ".join),
    st.booleans(),
    st.sampled_from(("", *NAMES)),
    st.lists(st.sampled_from("abcdef"), max_size=4).map(tuple),
    st.booleans(),
)


def test_there_are_vectors() -> None:
    assert len(CASES) >= 54 and DEVIATIONS.keys() <= {case["name"] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: dict[str, Any]) -> None:
    same = replay([case]) == [case["expected"]["1.19.0"]]
    assert same is (case["name"] not in DEVIATIONS), DEVIATIONS.get(case["name"])


@pytest.mark.parametrize(
    ("kind", "history", "speakers"),
    [
        ("swipe", [], []),
        ("quiet", [], ["Ada"]),
        ("swipe", ["Bo"], ["Bo"]),
        ("continue", ["Ada", "Bo", "user"], ["Bo"]),
        ("continue", ["user"], ["Cy"]),  # nobody spoke yet: one is drawn, as SillyTavern shuffles
        ("continue", ["Bo", "hidden Ada"], ["Bo", "Ada"]),
        ("quiet", ["Bo", "hidden Ada"], ["Ada"]),
        ("swipe", ["Bo", "narrator"], ["Bo"]),
    ],
)
def test_a_swipe_and_a_continuation_go_on_with_whoever_spoke(
    kind: str, history: list[str], speakers: list[str]
) -> None:
    said = [
        {
            "name": line.removeprefix("hidden "),
            "mes": "x",
            "is_user": line == "user",
            "is_system": line.startswith("hidden"),
            "narrator": line == "narrator",
        }
        for line in history
    ]
    members = [{"name": name} for name in ("Ada", "Bo", "Cy")]
    scenario = {"order": "natural", "members": members, "history": said, "type": kind, "random": [0.0, 0.9]}
    assert replay([scenario]) == [speakers]


@pytest.mark.parametrize("order", TURN_ORDERS)
@examples(max_examples=100)
@given(crowd=members, occasion=occasions, seed=st.integers())
def test_no_order_picks_a_muted_one_twice_or_nobody(
    order: Any, crowd: list[GroupMember], occasion: LastSpoken, seed: int
) -> None:
    chosen = choose_speakers(order, crowd, occasion, Random(seed).random)
    able = [member.id for member in crowd if not member.muted]
    assert set(chosen) <= set(able) and len(chosen) == len(set(chosen))
    assert bool(chosen) == (bool(able) and not (order == "manual" and occasion.by_person))
    assert chosen == choose_speakers(order, crowd, occasion, Random(seed).random)
    if order == "list":
        assert chosen == able
    if order in {"manual", "pooled"}:
        assert len(chosen) <= 1
    if order == "pooled" and not occasion.by_person and set(able) - set(occasion.spoken):
        assert not set(chosen) & set(occasion.spoken)


@examples(max_examples=100)
@given(members, occasions, st.integers())
def test_in_the_natural_order_whoever_is_named_speaks_first(
    crowd: list[GroupMember], occasion: LastSpoken, seed: int
) -> None:
    barred = "" if occasion.by_person or occasion.self_responses else occasion.last
    free = [member for member in crowd if not member.muted and member.names[0] != barred]
    named = mentioned(occasion.said, free)
    assert choose_speakers("natural", crowd, occasion, Random(seed).random)[: len(named)] == named


def test_talkativeness_decides_how_often() -> None:
    crowd = [
        GroupMember("shy", ("Shy",), 0.0),
        GroupMember("half", ("Half",), 0.5),
        GroupMember("loud", ("Loud",), 1.0),
    ]
    said = LastSpoken("Hello", by_person=True)
    rounds = [choose_speakers("natural", crowd, said, Random(seed).random) for seed in range(400)]
    assert all("loud" in chosen and "shy" not in chosen for chosen in rounds)
    assert 150 < sum("half" in chosen for chosen in rounds) < 250


@pytest.mark.parametrize(
    ("text", "names", "called"),
    [
        ("Hello mira!", ("Mira",), True),
        ("Admiral, look", ("Mira",), False),
        ("Ask Linh", ("Bao Linh",), True),
        ("the door", ("Sol the Brave",), True),
        ("_Mira_", ("Mira",), False),
        ("我想问林晚灯一件事", ("林晚灯",), True),
        ("我想问小灯一件事", ("林晚灯", "小灯"), True),
        ("Анна, ты здесь?", ("Анна",), True),
        ("Аннабель, ты здесь?", ("Анна",), False),
        ("ok johnny", ("johnny",), True),
        ("anything", ("",), False),
    ],
)
def test_what_calls_somebody(text: str, names: tuple[str, ...], called: bool) -> None:
    assert mentioned(text, [GroupMember("x", names)]) == ["x"] * called


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("Mira: I am here.", "I am here."),
        ("**Mira:** I am here.", "I am here."),
        ("**Mira**: I am here.", "I am here."),
        ("\nMira： 我在。", "我在。"),
        ("*Mira looks up.*", "*Mira looks up.*"),
        ("Miracles happen.", "Miracles happen."),
        ("Mir", "Mir"),
        ("Bao: no.", "Bao: no."),
        ("", ""),
    ],
)
def test_a_reply_loses_the_name_it_begins_with_however_it_is_cut(reply: str, shown: str) -> None:
    for size in (1, 2, 3, 100):
        border = NamePrefix(("Mira",))
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        assert "".join(border.feed(piece) for piece in pieces) + border.flush() == shown
