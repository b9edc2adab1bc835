"""The library as files, both ways: stories as Markdown, cards, worldbooks and presets as JSON."""
