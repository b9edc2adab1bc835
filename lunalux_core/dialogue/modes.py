"""Modes of writing: instructions that are put around the person's words in the prompt.

The words are stored as they were typed; the frame is put around them only in the prompt.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]

MODES = ("", "story", "perspective-novel", "perspective-first", "scene")

_INSTRUCTIONS: Mapping[str, Mapping[Language, str]] = {
    "story": {
        "en": "Move the story on by itself: something happens that the player did not ask for and that "
        "follows from the scene. End at a moment where the player wants to act.",
        "zh": "让故事自行向前推进：发生一件玩家没有要求、但顺理成章的事。停在玩家想要行动的时刻。",
    },
    "perspective-novel": {
        "en": "Answer as a novel in the third person: narrate the player's character by name too, with "
        "thoughts and surroundings, and keep to what the player decided.",
        "zh": "以第三人称小说的方式作答：玩家的角色也以名字叙述，写出心理与环境，不改变玩家的决定。",
    },
    "perspective-first": {
        "en": "Answer from inside the player's character, in the first person: what they see, hear and feel "
        "while the scene goes on, without deciding for them.",
        "zh": "以玩家角色的第一人称作答：写出其所见、所闻、所感，推动场景，但不替玩家作决定。",
    },
    "scene": {
        "en": "Set the scene first: place, light, sounds, smells and who is there, in a few vivid sentences; "
        "then let the character act in it.",
        "zh": "先描绘场景：地点、光线、声音、气味与在场的人，寥寥数句而鲜明；然后让角色在其中行动。",
    },
}


def framed(text: str, mode: str, language: Language) -> str:
    """The words as they are sent in a mode; plain talk and unknown modes leave them alone."""
    instructions = _INSTRUCTIONS.get(mode)
    if instructions is None:
        return text
    label = "玩家指令：" if language == "zh" else "player instruction: "
    return (
        f"<input_message>{label}{text}</input_message>\n"
        f"<response_instructions>{instructions[language]}</response_instructions>"
    )
