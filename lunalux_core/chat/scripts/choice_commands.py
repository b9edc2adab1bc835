"""Commands that choose with what, and as whom, the story goes on; without a name they give the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.stscript.host import AppCall


async def _persona(host: ConversationHost, call: AppCall) -> str:
    library, name = host.runtime.library, call.text.strip()
    if not name:
        return host.setting.context.user
    persona = await library.personas.find(name)
    await library.conversations.set(host.place, persona_id=persona.id)
    await host.surface.surroundings_changed()
    return persona.name


async def _model(host: ConversationHost, call: AppCall) -> str:
    runtime, name = host.runtime, call.text.strip()
    if not name:
        return (await runtime.chat.previews.choice(host.place, options=host.surface.options())).model.name
    spec = runtime.models.resolve(name)
    await host.surface.use_model(spec.name)
    return spec.name


async def _preset(host: ConversationHost, call: AppCall) -> str:
    from lunalux_core.library.presets import named_preset

    runtime, name = host.runtime, call.text.strip()
    if not name:
        return (await runtime.chat.previews.turn(host.place, "", host.surface.options())).preset.name
    shelf = runtime.library.presets
    preset = await named_preset(shelf, name, runtime.settings.lang)
    if isinstance(preset, str):
        # An imported preset that is enabled would go before the built-in one.
        for item in await shelf.list(enabled_only=True):
            await shelf.enable(item.id, False)
        await host.surface.use_preset(preset)
    else:
        await shelf.enable(preset.id)
    await host.surface.surroundings_changed()
    return preset if isinstance(preset, str) else preset.name


async def _profile(host: ConversationHost, call: AppCall) -> str:
    """The profile of this chat; `none` leaves it to the others."""
    from lunalux_core.library.profiles import NOBODY, ProfilePlace

    shelf, name = host.runtime.library.profiles, call.text.strip()
    use = ProfilePlace("conversation", host.place)
    if not name:
        used = (await shelf.uses()).get(use, "")
        return next((profile.name for profile in await shelf.list() if profile.id == used), "")
    profile = None if name.casefold() == NOBODY else await shelf.find(name)
    await shelf.use(use, profile.id if profile is not None else "")
    await host.surface.surroundings_changed()
    return profile.name if profile is not None else ""


COMMANDS = {"persona": _persona, "model": _model, "preset": _preset, "profile": _profile}
