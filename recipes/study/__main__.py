"""The paper's question asked properly: does each part help on domains the detector never saw?

    python -m recipes.study mini_world            the tables of docs/results_paper.md, on the miniature weather world
    python -m recipes.study photos                the same rows on the photographs, from the same tiny CLIP
    python -m recipes.study recipe                the recipe, on worlds that were drawn before it
    python -m recipes.study recipe_long           the same rows trained four times as long, on other new worlds
    python -m recipes.study second                the recipe again, in streets and weathers that nothing was tuned on
    python -m recipes.study levers                development: every lever alone, the recipe with one more or one less
    python -m recipes.study photos_imagenet       levers and recipe on photographs, from a backbone of ImageNet
    python -m recipes.study photos_long           the recipe there, trained four times as long
    python -m recipes.study mini_world --print    only the table of the results that are there

Rows of one seed share their scenes and the order of the data, so differences are paired. Every run leaves one JSON and
is not done again: the table can be completed in several sittings. Settings that are tried on development worlds come by
`--worlds`, `--seeds`, `--set` and a folder of their own (`--out`), and so do rows that are not in the table:

    python -m recipes.study levers --out dev --rows attention --row "slow: train.lr=0.01"

Quotes keep together what has spaces: "one: 'data.prompts={source: a day, targets: [a night]}' fit.steps=20".
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from recipes.study.figure import draw
from recipes.study.printing import report
from recipes.study.results import read_results, rows_of
from recipes.study.rows import EIGHT, Row, Study
from recipes.study.running import first_of_each_fit, fit_offsets, in_processes, missing, run_once
from recipes.study.studies import STUDIES

from clipgap.errors import ClipgapError, DataError

NAME = re.compile("[a-z0-9_]+")


def main() -> None:
    """Run what is missing, then print the table. A mistake of the user's ends in one line and exit code 2."""
    options = _options()
    study = STUDIES[options.study].with_rows(options.row)
    out = options.out or Path("runs/study") / options.study
    try:
        if not (options.print or options.figure):
            tasks = list(missing(options, study, out))
            in_processes(fit_offsets, first_of_each_fit(tasks), options.workers)
            in_processes(run_once, [task for task in tasks if not task.of], options.workers)
            in_processes(run_once, [task for task in tasks if task.of], options.workers)
        results = read_results(out)
        if options.print or options.figure:
            results = [one for one in results if _is_asked_for(one, options)]
        if options.print and not results:
            raise DataError(f"{out}: no results of a study, or of those rows, are there; run it, or correct --out")
        study = study.with_rows(rows_of(results, study))
        print(report(results, study))
        if options.figure:
            figure = draw(results, study)
            options.figure.parent.mkdir(parents=True, exist_ok=True)
            options.figure.write_text(figure, encoding="utf-8")
    except ClipgapError as error:
        sys.exit(_refuse(error))


def _is_asked_for(result: dict[str, Any], options: argparse.Namespace) -> bool:
    rows, seeds = options.rows or [result["row"]], options.seeds or [result["seed"]]
    return result["row"] in rows and result["seed"] in seeds


def _refuse(error: ClipgapError) -> int:
    print(f"recipes.study: {error}", file=sys.stderr)
    return error.exit_code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m recipes.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--rows", nargs="+", help="only these rows (the main ones by default)")
    parser.add_argument(
        "--row",
        type=_row,
        action="append",
        default=[],
        metavar="'NAME: KEY=VALUE ...'",
        help="a row that is not in the table, for developments; as often as there are rows",
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    parser.add_argument("--worlds", type=int, nargs="+", help="other worlds: one for each of the seeds 0, 1, ...")
    parser.add_argument("--set", nargs="+", default=[], help="settings for every row")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--out", type=Path, help="folder of results (runs/study/STUDY by default)")
    parser.add_argument("--keep", action="store_true", help="keep run folders: rows that only detect need detectors")
    parser.add_argument("--print", action="store_true", help="run nothing")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE.svg", help="run nothing, and draw the results that are there"
    )
    options = parser.parse_args()
    try:
        _check(options, STUDIES[options.study])
    except ValueError as error:
        parser.error(str(error))
    options.rows = [*(options.rows or []), *(name for name, _ in options.row)]
    options.row = dict(options.row)
    return options


def _row(text: str) -> tuple[str, Row]:
    """`name: key=value key='a value'` as a row of the most seeds there are."""
    name, colon, rest = text.partition(":")
    try:
        settings = tuple(shlex.split(rest))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if not colon or not NAME.fullmatch(name) or not all(setting.partition("=")[1] for setting in settings):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no row: write 'name: key=value key=value', the name in small letters, digits and _"
        )
    return name, Row(name, settings, EIGHT)


def _check(options: argparse.Namespace, study: Study) -> None:
    """Refuse with a ValueError what would end in the wrong runs or in a traceback."""
    names = [name for name, _ in options.row]
    for name in options.rows or []:
        if name not in study.rows:
            raise ValueError(f"--rows {name}: there is no such row; there are {', '.join(study.rows)}")
    for number, name in enumerate(names):
        if name in study.rows or name in names[:number]:
            raise ValueError(f"--row {name}: there is such a row already: take another name")
    if options.workers < 1:
        raise ValueError(f"--workers {options.workers}: at least 1 run at a time")
    if options.worlds and not study.worlds:
        raise ValueError(f"--worlds: {options.study} is on data that are given, and has no worlds; leave it out")
    if wrong := [world for world in options.worlds or [] if world < 0]:
        raise ValueError(f"--worlds {wrong[0]}: a world's seed is 0 or more")
    if options.figure and options.figure.suffix != ".svg":
        raise ValueError(f"--figure {options.figure}: it is drawn as SVG; give it a name that ends in .svg")
    if options.figure and options.figure.is_dir():
        raise ValueError(f"--figure {options.figure}: a folder; give it the name of a file")
    worlds = options.worlds or study.worlds
    for seed in options.seeds or []:
        if worlds and not 0 <= seed < len(worlds):
            raise ValueError(f"--seeds {seed}: there is a world for each of the seeds 0 to {len(worlds) - 1} only")
    tested = set() if study.choosing else set(worlds) & set(study.worlds)
    if names and not (options.print or options.figure) and (options.out is None or tested):
        raise ValueError("--row is for developments: give it a folder (--out) and worlds (--worlds) of its own")


if __name__ == "__main__":
    main()
