"""The character editor: its sections, the draft's way in and out, its dialogs."""
