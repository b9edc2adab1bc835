"""The settings screen: its sections, and the dialogs in which a value is given."""
