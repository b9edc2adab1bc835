"""Repositories: items of the documented tables as values, and every rule of money as one transaction."""
