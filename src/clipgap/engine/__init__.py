"""What runs: fit, train, evaluate, predict, and the run folder."""
