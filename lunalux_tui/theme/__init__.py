"""Colours: theme files, the palette made from one, and the style bits of a run of text."""
