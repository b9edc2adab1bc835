"""Signed things: nothing that this server did not sign is ever taken for something it did."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.backend.running.signatures import Cursor, Signer, kept_secret, original_key

SIGNER = Signer(["a-secret-of-some-length"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_what_was_signed_comes_back(payload: dict[str, object]) -> None:
    assert SIGNER.verify("session", SIGNER.sign("session", payload)) == payload


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=3), st.data())
def test_any_changed_character_is_refused(payload: dict[str, object], data: st.DataObject) -> None:
    token = SIGNER.sign("cursor", payload)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_.=# é").filter(lambda c: c != token[at]))
    assert SIGNER.verify("cursor", token[:at] + other + token[at + 1 :]) is None
    assert SIGNER.verify("cursor", token[:at]) is None


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_no_text_from_outside_verifies_or_raises(text: str) -> None:
    assert SIGNER.verify("session", text) is None
    assert Cursor.open(SIGNER, text, listing="hot", scope="en", now_s=0) is None


def test_a_cursor_is_no_session_and_secrets_rotate() -> None:
    assert SIGNER.verify("session", SIGNER.sign("cursor", {"u": "1"})) is None
    token = Signer(["the-old-secret-012345"]).sign("session", {"u": "1"})
    assert Signer(["the-new-secret-012345", "the-old-secret-012345"]).verify("session", token) == {"u": "1"}
    assert Signer(["the-new-secret-012345"]).verify("session", token) is None


def test_a_cursor_opens_only_its_own_listing_in_its_own_time() -> None:
    text = Cursor("hot", "en", ["NEGHEAT#1", "x"], 100).seal(SIGNER)
    opened = Cursor.open(SIGNER, text, listing="hot", scope="en", now_s=99)
    assert opened == Cursor("hot", "en", ["NEGHEAT#1", "x"], 100)
    assert Cursor.open(SIGNER, text, listing="time", scope="en", now_s=99) is None
    assert Cursor.open(SIGNER, text, listing="hot", scope="zh", now_s=99) is None
    assert Cursor.open(SIGNER, text, listing="hot", scope="en", now_s=100) is None


def test_the_embedded_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "session.secret"
    first = kept_secret(path)
    assert len(first) == 64 and kept_secret(path) == first
    assert path.stat().st_mode & 0o077 == 0
    assert [p.name for p in path.parent.iterdir()] == ["session.secret"]


def test_object_names_hold_no_word_of_the_client() -> None:
    key = original_key("characters/original/", "../../etc/passwd", "0b9c")
    assert key.startswith("characters/original/") and key.endswith("/0b9c.png")
    assert ".." not in key and "passwd" not in key
