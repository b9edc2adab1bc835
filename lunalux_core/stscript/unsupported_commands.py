"""Commands of SillyTavern and its extensions that are not here: why, and so what to do without them."""

from __future__ import annotations

from collections.abc import Mapping

_PAGE = """
bg bgcol lockbg bglock unlockbg bgunlock autobg bgauto backgrounds theme movingui resetpanels panels
togglepanels vn bubble bubbles flat default single story css-var costume expression-set expression-list
expression-last expression-folder-override expression-upload expression-classify sprite emote
spriteoverride togglevisuals closechat chat-manager chat-history manage-chats chat-reload chat-render
chat-scrollto chat-jump reload-page forcesave popover loader-show
loader-hide sidecharacter is-mobile fonts
"""
_OUTSIDE = """
api api-url proxy secret-id secret-write secret-delete secret-read secret-rename extension-enable
extension-disable extension-toggle extension-state extension-exists instruct instruct-on instruct-off
instruct-state context sysprompt reasoning-template tokenizer stop-strings start-reply-with imagine sd
img image imagine-source imagine-style imagine-comfy-workflow caption speak narrate tts translate
yt-script websearch visit-website search databank-list databank-get databank-add databank-update
databank-disable databank-enable databank-delete databank-ingest databank-purge databank-search
data-bank classify summarize ar fetch download upload copy clipboard-get clipboard-set vector-query
file-browse tools-list tools-invoke tools-register tools-unregister run-js js eval
"""
_DELETES = "delchat qr-delete qr-set-delete qr-rm qr-set-rm deleteentry wi-delete persona-delete char-delete"
_EXTENSION = """
ife elseif else then switch case foreach map filter reduce find findall slice flatten shuffle pick
reverse splice dict getat setat and or not trim diff json-pretty substitute wordcount sentencecount
segment re-escape re-test re-replace re-exec db-list db-get db-add db-update db-disable db-enable
db-delete char-get group-get memberpos costumes wi-list-books wi-list-entries timestamp date dom sfx sw
message-edit message-move message-on message-get try catch whilee fireandforget role-swap swipes-get
swipes-list swipes-add swipes-del swipes-count swipes-index swipes-go swipes-swipe messageactions
= is-user-agent console-log title listvarkeys
"""
CODES: Mapping[str, str] = {
    **dict.fromkeys(_PAGE.split(), "SCRIPT_COMMAND_OF_PAGE"),
    **dict.fromkeys(_OUTSIDE.split(), "SCRIPT_COMMAND_OUTSIDE"),
    **dict.fromkeys(_DELETES.split(), "SCRIPT_COMMAND_DELETES"),
    **dict.fromkeys(_EXTENSION.split(), "SCRIPT_COMMAND_OF_EXTENSION"),
}
"""Codes of `faults.SENTENCES` by the names of commands."""


def unknown_code(name: str) -> str:
    """The code for a command that is not here."""
    return CODES.get(name.lower(), "SCRIPT_UNKNOWN_COMMAND")
