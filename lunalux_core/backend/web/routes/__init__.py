"""One module per noun. A route parses (`wire`), takes the session, calls a repository, answers (`wire`)."""
