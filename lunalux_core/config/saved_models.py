"""Saved model configurations: the file's entry, the key in the credentials store, and who uses it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.config.config_file import remove_model, reset_value, save_model, set_value
from lunalux_core.config.settings import DECLARATIONS, SavedModel, Settings
from lunalux_core.llm.model_registry import credential_name

if TYPE_CHECKING:
    from lunalux_core.config.credentials import Credentials


def save_configuration(
    settings: Settings, credentials: Credentials, config: SavedModel, *, key: str = "", former: str = ""
) -> Settings:
    """Save a configuration, and its key unless "" (then the one there is stays).

    Args:
        former: the name it had before, when it was renamed; its key and its use move along.

    Returns:
        The settings with the configuration in force.

    Raises:
        StorageError, InvalidInput: as `config_file` and `credentials`.
    """
    path = settings.paths.config_file
    models = {name: model for name, model in settings.models.items() if name != former}
    if former and former != config.name:
        # The key first, the entry after it: a model that is there has its key.
        key = key or credentials.get(credential_name(former)) or ""
    if key:
        credentials.set(credential_name(config.name), key)
    save_model(path, config)
    settings = replace(settings, models={**models, config.name: config})
    # The former entry goes last: broken off before, there are two models and never none.
    if former and former != config.name:
        remove_model(path, former)
        credentials.delete(credential_name(former))
        if settings.model == former:
            set_value(path, "chat.model", config.name)
            settings = settings.with_value("chat.model", config.name, "file")
    return settings


def remove_configuration(settings: Settings, credentials: Credentials, name: str) -> Settings:
    """Remove a configuration and its key; where it was in use, the default model is.

    Returns:
        The settings without it.
    """
    path = settings.paths.config_file
    remove_model(path, name)
    credentials.delete(credential_name(name))
    settings = replace(settings, models={key: model for key, model in settings.models.items() if key != name})
    if settings.model == name:
        reset_value(path, "chat.model")
        settings = settings.with_value("chat.model", DECLARATIONS["chat.model"].default, "default")
    return settings
