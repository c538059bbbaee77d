"""What `make bench` runs: our shipped code against plain loops, alternately in one process, and peak memory of each."""
