"""Whatever is in a file: it is read, or ends in a `ClipgapError`; nothing else, and soon (`python -m tests.fuzz`)."""
