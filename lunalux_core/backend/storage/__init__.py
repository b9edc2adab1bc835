"""The storage port, its two adapters, and the blobs beside them (BACKEND part 5)."""
