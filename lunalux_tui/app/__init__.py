"""The app around the screens: start, places, keys, palette, help, and its end."""
