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


def test_a_schema_that_asks_for_nothing_is_none() -> None:
    said = {"model": "Ada", "messages": [{"role": "user", "content": "Hi"}]}
    for described in ({"schema": {}}, {"schema": None}, {}):
        shape = {"type": "json_schema", "json_schema": described}
        assert not chat_call({**said, "response_format": shape}).parameters
    shape = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    assert chat_call({**said, "response_format": shape}).parameters == {"json_schema": {"type": "object"}}
