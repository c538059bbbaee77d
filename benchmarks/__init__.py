"""What `make bench` runs: ratios taken in one run, and peak memory at RN101's real sizes."""
