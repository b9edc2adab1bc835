"""A model for text completion in the app: it answers like any other, and a broken template is told."""

from __future__ import annotations

import json
from pathlib import Path

from chat_world import open_app
from text_servers import TextServer, text_server

from lunalux_core.config.config_file import save_model, set_value
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel
from lunalux_core.importing import gather, import_files
from lunalux_core.library import Library

BROKEN = {
    "instruct": {"name": "B", "input_sequence": "<u>", "output_sequence": "<a>"},
    "context": {"name": "B", "story_string": "Fine.\n{{#if system}}"},
}


def use(paths: Paths, server: TextServer, template: str) -> None:
    config = SavedModel("local", "openai", "m", server.url, mode="text", template=template)
    save_model(paths.config_file, config)
    set_value(paths.config_file, "chat.model", "local")


async def test_a_text_model_answers_in_the_chat(paths: Paths) -> None:
    async with text_server("llamacpp", pieces=["The lamp", " burns.", "<|im_end|>"]) as server:
        use(paths, server, "ChatML")
        async with open_app() as driven:
            await driven.say("Is it lit?")
            assert driven.contents()[-1] == "The lamp burns."
            assert not driven.app._notifications
    path, body = server.asked[0]
    assert path == "/completion" and body["prompt"].endswith(
        "<|im_start|>user\nIs it lit?<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_a_broken_template_is_told_and_the_chat_goes_on(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "Bad.json"
    file.write_text(json.dumps(BROKEN), encoding="utf-8")
    library = Library(paths)
    try:
        (result,) = import_files(library, paths, gather([str(file)]))
        assert result.kind == "template" and "line 2, column 1" in result.warnings[0]
    finally:
        library.close()
    async with text_server("llamacpp", pieces=["The lamp burns."]) as server:
        use(paths, server, "Bad")
        async with open_app() as driven:
            await driven.say("Is it lit?")
            assert driven.contents()[-1] == "The lamp burns."
            assert any(
                "line 2, column 1" in notification.message for notification in driven.app._notifications
            )
    assert server.asked[0][0] == "/v1/chat/completions"
