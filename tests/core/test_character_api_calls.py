"""Bodies of requests to characters that are shaped as no client should shape them."""

from __future__ import annotations

import pytest

from lunalux_core.character_api.calls import chat_call
from lunalux_core.errors import InvalidInput

WORDS = {"role": "user", "content": "Hi"}


def test_a_role_that_is_a_list_is_told_and_not_a_crash() -> None:
    with pytest.raises(InvalidInput, match="role"):
        chat_call({"model": "Luna", "messages": [{"role": ["user"], "content": "Hi"}]})


def test_metadata_of_any_type_means_a_stored_turn() -> None:
    call = chat_call({"model": "Luna", "messages": [WORDS], "metadata": {"stateless": ["true"]}})
    assert not call.stateless
