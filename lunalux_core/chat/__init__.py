"""Conversations: the verbs of a chat, what is stored while a reply streams, chat files in and out."""
