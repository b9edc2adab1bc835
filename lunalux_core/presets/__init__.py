"""Presets: the prompts of a chat, their order, and how the model samples."""
