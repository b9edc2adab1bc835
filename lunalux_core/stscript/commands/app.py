"""Commands on the app. What they do is the host's part; one that a host does not offer is refused."""

from __future__ import annotations

from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.commands.flow import lookup
from lunalux_core.stscript.host import AppCall
from lunalux_core.stscript.values import UNDEFINED, to_text


def _app(name: str, *aliases: str, raw_quotes: bool = False, ours: bool = False) -> Command:
    async def run(call: Invocation) -> str:
        named = {given: to_text(value) for given, value in call.named.items()}
        if name == "buttons" and (labels := lookup(call, named.get("labels", ""))) is not UNDEFINED:
            named["labels"] = to_text(labels)
        with call.interpreter.budget.waiting():
            return await call.interpreter.host.perform(AppCall(name, named, call.text))

    return Command(name, run, aliases, raw_quotes=raw_quotes, app=True, ours=ours)


COMMANDS = (
    _app("input", "prompt"),
    _app("popup"),
    _app("buttons"),
    _app("setinput"),
    _app("send", raw_quotes=True),
    _app("sendas", raw_quotes=True),
    _app("sys", "nar", raw_quotes=True),
    _app("comment", raw_quotes=True),
    _app("gen", raw_quotes=True),
    _app("genraw", raw_quotes=True),
    _app("ask", raw_quotes=True),
    _app("trigger"),
    _app("continue", "cont"),
    _app("regenerate", "regen"),
    _app("swipe"),
    _app("impersonate", "imp"),
    _app("inject", raw_quotes=True),
    _app("flushinject", "flushinjects"),
    _app("listinjects"),
    _app("ooc", raw_quotes=True, ours=True),
    _app("hide"),
    _app("unhide"),
    _app("messages", "message"),
    _app("delete-swipe", "delswipe", "swipedel"),
    _app("count"),
    _app("qr-set", "qrset"),
    _app("world"),
    _app("getentryfield", "getlorefield", "getwifield"),
    _app("setentryfield", "setlorefield", "setwifield"),
    _app("persona", "persona-set"),
    _app("model"),
    _app("preset"),
    _app("profile"),
    _app("branch-create"),
    _app("checkpoint-create"),
    _app("roll", "dice", ours=True),
    _app("scene", ours=True),
    _app("memory", "memories", ours=True),
)
