"""Semantic augmentations: the offsets A_j, their file, and the objective that fits them (step one)."""
