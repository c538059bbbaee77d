"""The paper's question asked properly: does each part help on domains the detector never saw?

    python -m recipes.study mini_world            the table of docs/results.md, on the miniature weather world
    python -m recipes.study photos                the same rows on the photographs, from the same tiny CLIP
    python -m recipes.study mini_world --print    only the table of the results that are there

Rows of one seed share their scenes and the order of the data, so differences are paired. Every run leaves one JSON and
is not done again: the table can be completed in several sittings. Settings that are tried on development worlds come by
`--worlds`, `--seeds`, `--set` and a folder of their own (`--out`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.study.printing import render
from recipes.study.rows import STUDIES
from recipes.study.running import first_of_each_fit, fit_offsets, in_processes, missing, read_results, run_once


def main() -> None:
    """Run what is missing, then print the table."""
    options = _options()
    study = STUDIES[options.study]
    out = options.out or Path("runs/study") / options.study
    if not options.print:
        tasks = list(missing(options, study, out))
        in_processes(fit_offsets, first_of_each_fit(tasks), options.workers)
        in_processes(run_once, tasks, options.workers)
    print(render(read_results(out), study))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m recipes.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--rows", nargs="+", help="only these rows (the main ones by default)")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    parser.add_argument("--worlds", type=int, nargs="+", help="other worlds: one for each of the seeds 0, 1, ...")
    parser.add_argument("--set", nargs="+", default=[], help="settings for every row")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--out", type=Path, help="folder of results (runs/study/STUDY by default)")
    parser.add_argument("--print", action="store_true", help="run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
