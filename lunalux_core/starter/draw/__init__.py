"""Paints and packs the starter cards. Needs Pillow; never imported by the program itself."""
