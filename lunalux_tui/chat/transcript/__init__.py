"""The transcript: the messages of a conversation as one widget of drawn lines."""
