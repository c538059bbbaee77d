"""The four rows of the `photos` recipe, several seeds each: mean and standard deviation of AP50 by domain.

`python -m benchmarks.photos_table [--seeds 0 1 2] [--rows linear text random fitted] [--out runs/photos_table]`

Resumable: every run leaves a result.json and is not done again. The table at the end is of all results in the folder.
The small CLIP has RANDOM weights: the numbers compare nothing, they show that the whole job runs on real photographs.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from clipgap.config import RunConfig, load_config
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit
from clipgap.engine.train import train

ROWS = {
    "linear": ("linear classifier, no augmentation", ["detector.classifier=linear", "augment.kind=none"]),
    "text": ("text classifier, no augmentation", ["augment.kind=none"]),
    "random": ("text classifier, random offsets", ["augment.kind=random"]),
    "fitted": ("text classifier, fitted offsets", ["augment.kind=fitted"]),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--config", default="recipes/photos.yaml")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    arguments.add_argument("--out", type=Path, default=Path("runs/photos_table"))
    options = arguments.parse_args()
    for seed in options.seeds:
        for row in options.rows:
            run_once(options.config, row, seed, options.out)
    print_table(options.out)


def run_once(config: str, row: str, seed: int, out: Path) -> None:
    """One run: fit where the row needs it, train, score; nothing if it is there already."""
    result = out / f"{row}_{seed}.json"
    if result.is_file():
        return
    offsets, run = out / f"offsets_{seed}.safetensors", out / f"{row}_{seed}"
    settings = [*ROWS[row][1], f"run.seed={seed}", f"run.out={run}", f"augment.file={offsets}"]
    resolved: RunConfig = load_config(config, settings)
    if resolved.augment.kind != "none" and not offsets.is_file():
        fit(resolved, offsets, resume=offsets.with_name(f"{offsets.name}.resume").is_file())
    train(resolved, resume=(run / "checkpoint.pt").is_file())
    table = evaluate_run(run, resolved).to_json()
    result.write_text(json.dumps({"row": row, "seed": seed, "settings": settings, **table}, indent=1), encoding="utf-8")


def print_table(out: Path) -> None:
    """Mean and standard deviation over seeds, AP50 by domain, as Markdown."""
    results = [json.loads(path.read_text()) for path in sorted(out.glob("*_*.json"))]
    domains = list(results[0]["domains"])
    print(f"| row | seeds | {' | '.join(domains)} | mean of targets |")
    print("|---|---|" + "---|" * (len(domains) + 1))
    for row, (title, _) in ROWS.items():
        mine = [result for result in results if result["row"] == row]
        columns = [[result["domains"][domain]["ap50"] for result in mine] for domain in domains]
        columns.append([result["mean_targets"] for result in mine])
        print(f"| {title} | {len(mine)} | {' | '.join(spread(column) for column in columns)} |")


def spread(values: list[float]) -> str:
    """mean +- standard deviation."""
    if len(values) < 2:
        return " ".join(f"{value:.2f}" for value in values)
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


if __name__ == "__main__":
    main()
