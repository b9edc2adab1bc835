"""Conversations of Backyard: the messages of a scenario, and back.

An answer has several outputs; the one that was shown last is chosen, the others are its swipes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, LogNode
from lunalux_core.chatlogs.chatlog_dates import parse_date, st_date
from lunalux_core.documents.coerce import as_object, as_text

Words = Callable[[str], str]


def scenario_log(
    scenario: Mapping[str, Any], title: str, character: str, greeting: str, words: Words, narrative: str = ""
) -> ChatLog | None:
    """The conversation of a scenario, None where nobody has said anything.

    Args:
        greeting: how it opens; stands first unless the messages begin with it themselves.
        words: gives a text of Backyard our macros.
        narrative: the scenario where it is not the card's own; it is kept as that of this chat.
    """
    given = scenario.get("messages")
    messages = [as_object(message) for message in given] if isinstance(given, list) else []
    nodes: list[LogNode] = []
    head = -1
    if greeting.strip() and not _begins_with(messages, greeting, words):
        nodes.append(LogNode(-1, "assistant", character, greeting, sent_at=_moment(messages)))
        head = 0
    for message in messages:
        parent = head
        if "outputs" not in message:
            text = as_text(message.get("text"))
            if text.strip():
                nodes.append(LogNode(parent, "user", "", words(text), sent_at=_sent(message)))
                head = len(nodes) - 1
            continue
        outputs = message.get("outputs")
        swipes = [as_object(output) for output in outputs] if isinstance(outputs, list) else []
        swipes = [swipe for swipe in swipes if as_text(swipe.get("text")).strip()]
        newest = max(swipes, key=_active, default=None)
        for swipe in swipes:
            text = words(as_text(swipe.get("text")))
            nodes.append(LogNode(parent, "assistant", character, text, sent_at=_sent(swipe)))
            if swipe is newest:
                head = len(nodes) - 1
    if not nodes:
        return None
    header = {"chat_metadata": {"scenario": narrative}} if narrative.strip() else {}
    return ChatLog(tuple(nodes), head, character_name=character, title=title, header=header)


def scenario_messages(log: ChatLog, words: Words) -> list[dict[str, Any]]:
    """The path that a conversation shows, with the swipes of each answer, as Backyard keeps it."""
    by_parent: dict[int, list[int]] = {}
    for place, node in enumerate(log.nodes):
        by_parent.setdefault(node.parent, []).append(place)
    messages: list[dict[str, Any]] = []
    for place in log.path():
        node = log.nodes[place]
        if node.role == "user":
            at = st_date(node.sent_at)
            messages.append({"type": "human", "createdAt": at, "updatedAt": at, "text": words(node.text)})
        elif node.role == "assistant":
            siblings = [
                sibling for sibling in by_parent[node.parent] if log.nodes[sibling].role == "assistant"
            ]
            messages.append({"type": "ai", "outputs": _outputs(log.nodes, siblings, place, words)})
    return messages


def _outputs(
    nodes: Sequence[LogNode], siblings: Sequence[int], chosen: int, words: Words
) -> list[dict[str, str]]:
    latest = max(nodes[sibling].sent_at for sibling in siblings)
    return [
        {
            "createdAt": st_date(nodes[sibling].sent_at),
            "updatedAt": st_date(nodes[sibling].sent_at),
            "text": words(nodes[sibling].text),
            # Backyard shows the answer that was active last.
            "activeTimestamp": st_date(latest + 1000 if sibling == chosen else nodes[sibling].sent_at),
        }
        for sibling in siblings
    ]


def _begins_with(messages: Sequence[Mapping[str, Any]], greeting: str, words: Words) -> bool:
    outputs = messages[0].get("outputs") if messages else None
    those = outputs if isinstance(outputs, list) else []
    return any(
        words(as_text(as_object(message).get("text"))).strip() == greeting.strip() for message in those
    )


def _sent(message: Mapping[str, Any]) -> int:
    return parse_date(message.get("createdAt"))


def _active(output: Mapping[str, Any]) -> int:
    return parse_date(output.get("activeTimestamp"))


def _moment(messages: Sequence[Mapping[str, Any]]) -> int:
    """Just before the first message, where that says when it was."""
    first = messages[0] if messages else {}
    outputs = first.get("outputs")
    said = as_object(outputs[0]) if isinstance(outputs, list) and outputs else first
    return max(_sent(said) - 1000, 0)
