"""Characters as models: OpenAI's chat completions in front of the whole workflow of a chat turn."""
