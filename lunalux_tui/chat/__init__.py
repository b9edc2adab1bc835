"""The chat screen: transcript, prompt, roster, what can be done to messages, the inspector."""
