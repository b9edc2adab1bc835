"""What several screens use: dialogs, rows, form fields, drawn lines, pictures."""
