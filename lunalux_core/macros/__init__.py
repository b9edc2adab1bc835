"""Macros in texts, `{{…}}`: their grammar, their values, their variables."""
