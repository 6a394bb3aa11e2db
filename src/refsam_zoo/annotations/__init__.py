"""Reading annotation files that nobody promises to be right."""
