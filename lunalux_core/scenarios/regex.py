"""Replays scenarios of regex scripts (`lunalux regex test --scenarios`): script and text, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.macros.expansion import MacroContext, expander
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.regex.script import AI_OUTPUT, read_script
from lunalux_core.regex.substitution import Target, run_scripts
from lunalux_core.scenarios.case import cases


def replay(document: object, engine: EcmaEngine | None = None) -> list[dict[str, Any]]:
    """One ``{"out": text}`` for each scenario; the shape of scenarios is that of `vectors/regex.json`.

    A half of a character whose other half a script replaced stays a lone surrogate, as in ECMAScript: write
    the result as JSON with ASCII escapes.
    """
    if engine is not None:
        return [_replay_one(scenario, engine) for scenario in cases(document)]
    with EcmaEngine() as own:
        return replay(document, own)


def _replay_one(scenario: Mapping[str, Any], engine: EcmaEngine) -> dict[str, Any]:
    # A scenario leaves out what does not matter to it, and a script without a placement runs nowhere.
    document = {"placement": [AI_OUTPUT], **scenario.get("script", {})}
    script = read_script(document)
    target: Target = "store"
    # SillyTavern asks with two flags that may both be set: for a script of the display the first one counts.
    if scenario.get("isMarkdown") and (script.markdown_only or not scenario.get("isPrompt")):
        target = "display"
    elif scenario.get("isPrompt"):
        target = "prompt"
    context = MacroContext(user=str(scenario.get("user", "User")), char=str(scenario.get("char", "Char")))
    depth = scenario.get("depth")
    result = run_scripts(
        [script],
        str(scenario.get("text", "")),
        placement=int(scenario.get("placement", AI_OUTPUT)),
        target=target,
        engine=engine,
        expand=expander(context),
        depth=depth if isinstance(depth, int) else None,
        is_edit=bool(scenario.get("isEdit")),
        keep_lone_surrogates=True,
    )
    return {"out": result.text}
