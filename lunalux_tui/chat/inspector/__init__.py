"""The inspector: how the prompt of a turn came about, as rows and texts."""
