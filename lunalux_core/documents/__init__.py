"""JSON documents as other programs write them: what every file format needs."""
