"""Several characters in one conversation: who answers, and whose cards are in the prompt."""
