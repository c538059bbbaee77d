"""The page on which a detector is tried in a browser."""
