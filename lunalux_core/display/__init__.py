"""What a stored message looks like: display scripts, and HTML made readable."""
