"""clipgap."""
