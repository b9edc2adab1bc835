"""Commands on the app. What they do is the host's part; one that a host does not offer is refused."""

from __future__ import annotations

from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.commands.flow_commands import lookup
from lunalux_core.stscript.host import AppCall
from lunalux_core.stscript.script_values import UNDEFINED, to_text


def _app(name: str, *aliases: str, raw_quotes: bool = False, ours: bool = False) -> Command:
    async def run(call: Invocation) -> str:
        named = {given: to_text(value) for given, value in call.named.items()}
        # SillyTavern takes a list in `labels=` as well as the name of a variable that holds one.
        if name == "buttons" and (labels := lookup(call, named.get("labels", ""))) is not UNDEFINED:
            named["labels"] = to_text(labels)
        # A person or a model is waited for here, and the time of both is no work of the script.
        with call.interpreter.budget.waiting():
            return await call.interpreter.host.perform(AppCall(name, named, call.text))

    return Command(name, run, aliases, raw_quotes=raw_quotes, app=True, ours=ours)


COMMANDS = (
    _app("help", "?", "h"),
    _app("char-find", "findchar"),
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
    _app("cut"),
    _app("delmode", "del"),
    _app("delname", "cancel"),
    _app("addswipe", "swipeadd", raw_quotes=True),
    _app("newchat"),
    _app("getchatname"),
    _app("renamechat"),
    _app("member-enable", "enable", "enablemember", "memberenable"),
    _app("member-disable", "disable", "disablemember", "memberdisable"),
    _app("member-add", "addmember", "memberadd"),
    _app("member-remove", "removemember", "memberremove"),
    _app("member-up", "upmember", "memberup"),
    _app("member-down", "downmember", "memberdown"),
    _app("member-get", "getmember", "memberget"),
    _app("member-count", "countmember", "membercount"),
    _app("count"),
    _app("tokens"),
    _app("trimtokens"),
    _app("qr-set", "qrset"),
    _app("qr-set-on"),
    _app("qr-set-off"),
    _app("qr-chat-set"),
    _app("qr-chat-set-on"),
    _app("qr-chat-set-off"),
    _app("qr-set-list"),
    _app("qr-list"),
    _app("qr-get"),
    _app("qr-create"),
    _app("qr-update"),
    _app("qr-contextadd"),
    _app("qr-contextdel"),
    _app("qr-contextclear"),
    _app("qr-set-create"),
    _app("qr-set-update"),
    _app("world"),
    _app("getentryfield", "getlorefield", "getwifield"),
    _app("setentryfield", "setlorefield", "setwifield"),
    _app("createentry", "createlore", "createwi"),
    _app("findentry", "findlore", "findwi"),
    _app("getchatbook", "getchatlore", "getchatwi"),
    _app("getcharbook", "getcharlore", "getcharwi"),
    _app("getpersonabook", "getpersonalore", "getpersonawi"),
    _app("getglobalbooks", "getgloballore", "getglobalwi"),
    _app("regex"),
    _app("regex-toggle"),
    _app("note"),
    _app("note-depth", "depth"),
    _app("note-frequency", "note-freq", "freq"),
    _app("note-position", "note-pos", "pos"),
    _app("note-role"),
    _app("tag-add"),
    _app("tag-remove"),
    _app("tag-exists"),
    _app("tag-list"),
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
