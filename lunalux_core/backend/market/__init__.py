"""The community market: publishing, ranking, listings, pictures."""
