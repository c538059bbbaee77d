"""The paper's question asked properly, paired over seeds: `python -m recipes.study` (its rows are in `rows`)."""
