"""Settings, the file they are written in, the folders, and the credentials."""
