"""Every kind of odd input, and what is said about it: the rows of docs/robustness*.md, each of them a test."""
