"""What is written down when something fails, without secrets."""
