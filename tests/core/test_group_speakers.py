"""Who speaks next in a group, for any members, words and dice."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lunalux_core.dialogue.speakers import (
    Candidate,
    NamePrefix,
    Occasion,
    choose_one,
    choose_speakers,
    mentioned_at,
)

NAMES = ("Mira", "Bao Linh", "Sol the Brave", "林晚灯", "Ünal", "o'hara")
members = st.lists(
    st.builds(
        Candidate,
        st.sampled_from("abcdef"),
        st.sampled_from(NAMES).map(lambda name: (name,)),
        st.sampled_from((0.0, 0.2, 0.5, 1.0)),
        st.booleans(),
    ),
    unique_by=lambda one: one.id,
    max_size=6,
)
occasions = st.builds(
    Occasion,
    st.lists(st.sampled_from((*NAMES, "well,", "the", "brave?")), max_size=4).map(" ".join),
    st.sampled_from(("", *"abcdef")),
    st.booleans(),
)


@examples(max_examples=100)
@given(members, occasions, st.integers())
def test_the_natural_order_never_picks_a_muted_one_twice_or_nobody(
    crowd: list[Candidate], occasion: Occasion, seed: int
) -> None:
    chosen = choose_speakers("natural", crowd, occasion, Random(seed))
    able = [one.id for one in crowd if not one.muted]
    assert set(chosen) <= set(able) and len(chosen) == len(set(chosen))
    assert bool(chosen) == bool(able)
    if occasion.last in chosen and not occasion.self_responses:
        assert able == [occasion.last]
    assert chosen == choose_speakers("natural", crowd, occasion, Random(seed))
    named = [one.id for one in crowd if one.id in able and mentioned_at(occasion.said, one.names) >= 0]
    assert {one for one in named if occasion.self_responses or one != occasion.last} <= set(chosen)


@examples(max_examples=60)
@given(members, occasions, st.integers())
def test_a_list_is_complete_and_in_order(crowd: list[Candidate], occasion: Occasion, seed: int) -> None:
    chosen = choose_speakers("list", crowd, occasion, Random(seed))
    assert chosen == [one.id for one in crowd if not one.muted]
    assert choose_speakers("manual", crowd, occasion, Random(seed)) == []
    one = choose_one(crowd, occasion, Random(seed))
    assert one in chosen or (one == "" and not chosen)


def test_talkativeness_decides_how_often() -> None:
    crowd = [
        Candidate("shy", ("Shy",), 0.0),
        Candidate("half", ("Half",), 0.5),
        Candidate("loud", ("Loud",), 1.0),
    ]
    rounds = [choose_speakers("natural", crowd, Occasion("Hello"), Random(seed)) for seed in range(400)]
    assert all("loud" in one and "shy" not in one for one in rounds)
    assert 150 < sum("half" in one for one in rounds) < 250


def test_who_is_named_speaks_first_in_the_order_of_the_names() -> None:
    crowd = [Candidate(name.lower(), (name,), 0.0) for name in ("Mira", "Bao", "Cleo")]
    assert choose_speakers("natural", crowd, Occasion("Cleo, ask MIRA!"), Random(1)) == ["cleo", "mira"]
    own = Occasion("I, Mira, asked Bao.", last="mira")
    assert choose_speakers("natural", crowd, own, Random(1)) == ["bao"]


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("Hello mira!", "Mira", 6),
        ("Admiral, look", "Mira", -1),
        ("Ask Linh", "Bao Linh", 4),
        ("the door", "Sol the Brave", -1),
        ("be brave", "Sol the Brave", 3),
        ("我想问林晚灯一件事", "林晚灯", 3),
        ("ok johnny", "johnny", 3),
        ("anything", "", -1),
    ],
)
def test_names_are_words_in_every_script(text: str, name: str, place: int) -> None:
    assert mentioned_at(text, (name,)) == place


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
