"""Writes the reference pages from the code: `python docs/make.py`. A test checks that they are current."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import typer

from lunalux_core.config.model_tables import MODEL_OPTIONS
from lunalux_core.config.settings import DECLARATIONS
from lunalux_core.llm.parameters import KINDS, PARAMETERS
from lunalux_tui.cli import NOUNS, Nouns

FOLDER = Path(__file__).resolve().parent

EXIT_CODES = (
    (0, "done"),
    (1, "failed"),
    (2, "wrong usage"),
    (3, "sign-in needed, or the session was taken over"),
    (4, "payment refused"),
    (5, "not found"),
    (6, "network or server unreachable"),
    (7, "some items of a batch failed"),
    (130, "interrupted"),
)


JSON_WORDS = """## Shapes of JSON

What `--json` prints stands with each command below, in this notation: `text`, `whole` (a number without
a fraction), `number`, `boolean`, `null`, `time` (ISO 8601 in UTC), a choice in quotes, `[…]` for a list,
`{…}` for an object. A key with `?` may be missing, `*` is any other key, `|` separates what it may be, and
`...Name` brings the fields of another shape. Keys are written in snake_case; `marketBinding` and what the
service defines (wallet, ledger, prices, market cards, billing) keep the spelling of the service. `id` and
`name` are what other commands take. The errors of files in a batch are rows of their own.

Some shapes are used by many commands and stand here once:"""


def settings_page() -> str:
    """docs/settings.md"""
    lines = [
        "# Settings",
        "",
        "Settings come from `config.toml` (`lunalux paths` tells where it is), then from environment",
        "variables, then from flags; the later one wins. `lunalux settings set KEY VALUE` edits the file and",
        "keeps your comments. A bad value is told with its key, file and allowed values, and the default is",
        "used.",
        "",
        "| key | default | allowed | environment | what it does |",
        "| --- | --- | --- | --- | --- |",
    ]
    for known in DECLARATIONS.values():
        default = ", ".join(known.default) if isinstance(known.default, tuple) else known.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        env = f"`{known.env}`" if known.env else ""
        lines.append(
            f"| `{known.key}` | {f'`{shown}`' if shown else ''} | {known.allowed} | {env} | {known.help} |"
        )
    lines += [
        "",
        "`[models.NAME]` tables hold saved models (`lunalux model add` writes them), `[keys]` holds your",
        "own key bindings by binding id. How to talk with a model's server stands in its table:",
        "",
        "| key in `[models.NAME]` | allowed | what it does |",
        "| --- | --- | --- |",
        *(f"| `{key}` | {option.allowed} | {option.help} |" for key, option in MODEL_OPTIONS.items()),
        "",
    ]
    return "\n".join(lines)


def parameters_page() -> str:
    """docs/parameters.md"""
    lines = [
        "# Parameters of a request",
        "",
        "What a request may ask for beside its words, by our names. They stand in",
        "`[models.NAME.sampling]` of `config.toml`, in the model form, in",
        "`lunalux model add --param NAME=VALUE`, and for one turn in `lunalux chat --set NAME=VALUE`.",
        "The turn's word counts before the model's, that before an imported preset's or a template's",
        "sampler file's, that before the settings'. What a server does not take is not sent; the inspector,",
        "`lunalux chat --show-request` and `lunalux model show` name it.",
        "",
        "每个请求除文字外还能带的参数。写在 `config.toml` 的",
        "`[models.名称.sampling]`、模型表单或 `lunalux model add --param 名称=值` 里；",
        "只用于一轮时写 `lunalux chat --set 名称=值`。",
        "先后顺序：本轮、模型、导入的预设或模板的采样文件、设置。",
        "服务器不支持的参数不会发送，检查器、`--show-request` 与",
        "`lunalux model show` 会列出它们。",
        "",
        "| parameter | allowed | what it does |",
        "| --- | --- | --- |",
        *(f"| `{param.name}` | {param.allowed} | {param.help} |" for param in PARAMETERS.values()),
        "",
        "## What each kind of server calls them",
        "",
        "A dot leads into an object; an empty cell is a parameter that this kind does not take.",
        "`generic` is any other server that speaks OpenAI's protocol: it is sent everything, and what it",
        "refuses is left out from then on. llama.cpp and KoboldCpp get `n_predict`, `max_length`,",
        "`stop_sequence` and `sampler_seed` in their own protocols for one text. OpenAI takes at most 4 stop",
        "texts, Gemini 5, DeepSeek 16, other servers as many as they do not refuse: the rest are looked for",
        "in the reply, which ends there.",
        "",
        f"| parameter | {' | '.join(KINDS)} |",
        f"| --- |{' --- |' * len(KINDS)}",
    ]
    for param in PARAMETERS.values():
        cells = (f"`{param.wire[kind]}`" if kind in param.wire else "" for kind in KINDS)
        lines.append(f"| `{param.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def journeys_page() -> str:
    """docs/journeys.md"""
    lines = [
        "# Journeys",
        "",
        "What people do from one end to the other, and what it takes. `keys` counts every key that is no",
        "letter of a text; `letters` counts what is typed as text. The tests drive the real program through",
        "each of them (`docs/journeys.toml`, `tests/tui/test_journeys.py`).",
        "",
        "| journey | keys | letters |",
        "| --- | --- | --- |",
    ]
    journeys = tomllib.loads((FOLDER / "journeys.toml").read_text("utf-8"))["journey"]
    for journey in journeys:
        keys = sum(len(step.get("press", "").split()) for step in journey["steps"])
        letters = sum(len(step.get("type", "")) for step in journey["steps"])
        lines.append(f"| [{journey['title']}](#{journey['id']}) | {keys} | {letters} |")
    for journey in journeys:
        shown = [
            f"`{step['press']}`" if "press" in step else f"type “{step['type']}”"
            for step in journey["steps"]
            if "press" in step or "type" in step
        ]
        lines += ["", f'<a id="{journey["id"]}"></a>', "", f"## {journey['title']}", "", ", ".join(shown)]
    return "\n".join(lines) + "\n"


def _shapes() -> Any:
    """docs/shapes.py, wherever this is run from."""
    if (module := sys.modules.get("docs_shapes")) is None:
        spec = importlib.util.spec_from_file_location("docs_shapes", FOLDER / "shapes.py")
        assert spec is not None and spec.loader is not None
        module = sys.modules["docs_shapes"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def cli_page() -> str:
    """docs/cli.md"""
    shapes = _shapes()
    known = shapes.declared()
    lines = [
        "# The command line",
        "",
        "`lunalux` without a command opens the app. Every command that prints data takes `--json`; progress,",
        "warnings and errors go to stderr. With `--json` an error is",
        '`{"error": {"code", "message"}}` on stderr.',
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES),
        "",
        *JSON_WORDS.splitlines(),
        "",
        *(
            line
            for name, text in known.shared.items()
            for line in (f"#### {name}", "", "```text", *shapes.lines(known, text), "```", "")
        ),
    ]
    group = Nouns(name="lunalux")
    context = typer.Context(group, info_name="lunalux")
    for noun in group.list_commands(context):
        lines += [f"## lunalux {noun}", "", NOUNS[noun], ""]
        for usage, text, options in commands(group.get_command(context, noun), f"lunalux {noun}", context):
            lines += [f"### `{usage}`", "", *text, "", *options, ""]
            if (shape := known.commands.get(named(usage, known.commands))) is not None:
                each = ", one on each line" if named(usage, known.commands) in known.lines else ""
                lines += [f"JSON{each}:", "", "```text", *shapes.lines(known, shape), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def named(usage: str, names: Iterable[str]) -> str:
    """The command of a usage line, e.g. "character show" of "lunalux character show NAME_OR_ID"."""
    words = usage.split()[1:]
    return next((name for n in (3, 2, 1) if (name := " ".join(words[:n])) in names), "")


def commands(command: Any, path: str, parent: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    """(usage, help lines, option lines) of a command and all below it."""
    context = typer.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    subcommands = getattr(command, "commands", None)
    if subcommands:
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}", context)
        return
    pieces = [path]
    options = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            pieces.append(parameter.metavar or (parameter.name or "").upper())
        elif parameter.name != "help":
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            help = getattr(parameter, "help", None) or ""
            options.append(f"- {names}{': ' + help if help else ''}")
    text = (command.help or "").strip().splitlines()
    yield " ".join(pieces), text, options


KEYS_EXAMPLE = """
```toml
[keys]
"chat.tree" = "ctrl+y"
"app.next_theme" = "f10,ctrl+underscore"
```
"""

KEYS_WORDS = {
    "en": """# Keys

Enter sends and `ctrl+j` makes a new line; the setting `chat.enter_sends` swaps the two. `F1` shows the keys
of the screen you are on, `ctrl+p` finds every command by its name.

Every key can be changed: under *Settings, Keys* by pressing the new one, or in `config.toml` by the id of
the action. Several keys are separated by commas. Nested tables mean the same, so `[keys.chat]` with
`tree = "ctrl+y"` is `"chat.tree" = "ctrl+y"`. An entry that names no action or no key is told with its
line, and the default is used.
""",
    "zh": """# 按键

回车发送，`ctrl+j` 换行；设置项 `chat.enter_sends` 可将两者互换。
`F1` 显示当前界面的按键，`ctrl+p` 按名称查找任何命令。

每个按键都可以更改：在“设置 → 按键”中按下新的按键，或在 `config.toml` 中按操作的 id 填写。
多个按键用逗号分隔。嵌套表含义相同：`[keys.chat]` 下的 `tree = "ctrl+y"` 等于 `"chat.tree" = "ctrl+y"`。
写错的条目会提示所在行号，并使用默认按键。
""",
}
KEYS_HEADS = {"en": "| keys | action | what it does | id |", "zh": "| 按键 | 操作 | 作用 | id |"}


def keys_page(language: str = "en") -> str:
    """docs/keys.md and docs/keys.zh.md"""
    from lunalux_tui import i18n
    from lunalux_tui.app.declared_actions import all_actions

    before = i18n.language()
    i18n.use(language)
    try:
        lines = [*KEYS_WORDS[language].splitlines(), *KEYS_EXAMPLE.splitlines(), ""]
        groups: dict[str, list[str]] = {}
        for action in all_actions():
            keys = ", ".join(f"`{key.strip()}`" for key in action.keys.split(",") if key.strip())
            row = f"| {keys} | {action.label} | {action.help} | `{action.id}` |"
            groups.setdefault(action.group, []).append(row)
        for group, rows in groups.items():
            lines += [
                f"## {i18n.t(f'group.{group}')}",
                "",
                KEYS_HEADS[language],
                "| --- | --- | --- | --- |",
                *rows,
                "",
            ]
        return "\n".join(lines)
    finally:
        i18n.use(before)


PAGES = {
    "settings.md": settings_page,
    "parameters.md": parameters_page,
    "cli.md": cli_page,
    "keys.md": keys_page,
    "keys.zh.md": partial(keys_page, "zh"),
    "journeys.md": journeys_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
