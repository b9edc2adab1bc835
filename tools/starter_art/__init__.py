"""Paints and packs the starter cards. Needs Pillow; no part of the program, which has them as files."""
