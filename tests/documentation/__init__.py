"""What writes and builds docs/: the generated tables, and what the site shows as GitHub does."""
