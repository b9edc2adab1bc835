"""Reasoning is told from the answer while it streams, however the tags are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.llm.servers.thinking import ThinkingSplitter


def split(*pieces: str) -> tuple[str, str]:
    splitter = ThinkingSplitter()
    parts = [splitter.feed(piece) for piece in pieces] + [splitter.close()]
    return "".join(text for text, _ in parts), "".join(thinking for _, thinking in parts)


@pytest.mark.parametrize(
    ("raw", "answer", "thinking"),
    [
        ("Hello.", "Hello.", ""),
        ("<think>Hm.</think>Hello.", "Hello.", "Hm."),
        ("<thinking>\nHm.\n</thinking>\n\nHello.", "Hello.", "Hm.\n"),
        ("\n\n<THINK>Hm.</Think> Hello.", "Hello.", "Hm."),
        ("<think></think>\n\nHello.", "Hello.", ""),
        ("<think>a</think><think>b</think>c", "c", "ab"),
        ("<think>never closed", "", "never closed"),
        ("<think>a < b and </thin air", "", "a < b and </thin air"),
        ("A tale of <think>tags</think>.", "A tale of <think>tags</think>.", ""),
        ("<thin", "<thin", ""),
        ("<thought>Hm.</thought>Hello.", "Hello.", "Hm."),
        ("<thoughtful>kept</thoughtful>", "<thoughtful>kept</thoughtful>", ""),
        ("[THINK]Hm.[/THINK]Hello.", "Hello.", "Hm."),
        ("◁think▷Hm.◁/think▷Hello.", "Hello.", "Hm."),
        ("<seed:think>Hm.</seed:think>Hello.", "Hello.", "Hm."),
        ("<|channel>thought\nHm.<channel|>Hello.", "Hello.", "Hm."),
        ("<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Hello.<|END_RESPONSE|>", "Hello.", "Hm."),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>",
            "Hello.",
            "Hm.",
        ),
        ("<|inner_prefix|>Hm.<|inner_suffix|>Hello.", "Hello.", "Hm."),
        ("<longcat_think>Hm.</longcat_think>Hello.", "Hello.", "Hm."),
        ("<unused94>thought\nHm.<unused95>Hello.", "Hello.", "Hm."),
        (
            "Here are my reasoning steps:\nHm.\n[BEGIN FINAL RESPONSE]Hello.[END FINAL RESPONSE]",
            "Hello.",
            "Hm.\n",
        ),
        ("Here are my reasons.", "Here are my reasons.", ""),
        ("<think>Hm.</think>\n<response>Hello.</response>", "Hello.", "Hm."),
        ("<think>Hm.</think><answer>Hello. </b></answer>", "Hello. </b>", "Hm."),
        ("<answer>It is six.</answer>", "<answer>It is six.</answer>", ""),
        ("<think>Hm.</think><answers>", "<answers>", "Hm."),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final <|constrain|>text"
            "<|message|>Hello.<|return|>",
            "Hello.",
            "Hm.",
        ),
        ("<|channel|>final" + "x" * 90, "<|channel|>final" + "x" * 90, ""),
        ("<|channel|>final<|message|>Hello. a <|b", "Hello. a <|b", ""),
        ("[THIN air] is cold", "[THIN air] is cold", ""),
        ("  indented", "  indented", ""),
        ("", "", ""),
    ],
)
def test_splits_whole_and_letter_by_letter(raw: str, answer: str, thinking: str) -> None:
    assert split(raw) == (answer, thinking)
    assert split(*raw) == (answer, thinking)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "<think>",
                    "</think>",
                    "<thinking>",
                    "</thinking>",
                    "a",
                    " ",
                    "\n",
                    "<",
                    "</th",
                    "潮",
                    "[THINK]",
                ),
                *(
                    "[/THINK]",
                    "<|channel|>final<|message|>",
                    "<|channel|>analysis<|message|>",
                    "<|end|>",
                    "<|",
                ),
                *("<response>", "</response>", "<|channel|>final", "<|constrain|>text<|message|>"),
                *("<|return|>", "◁think▷", "◁/think▷", "<|channel>thought", "<channel|>", "İ", "K"),
            ]
        ),
        max_size=12,
    )
)
def test_cuts_do_not_matter(parts: list[str]) -> None:
    assert split(*parts) == split("".join(parts))


def test_text_is_shown_as_it_comes() -> None:
    splitter = ThinkingSplitter()
    assert splitter.feed("<think>Let me see") == ("", "Let me see")
    assert splitter.feed(".</think>\nYes") == ("Yes", ".")
    assert splitter.feed(", <b") == (", <b", "")
