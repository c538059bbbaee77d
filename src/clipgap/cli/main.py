"""`clipgap`: one verb a step of the job. Exit code 0: done; 1: failed; 2: a mistake the message says how to mend."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TextIO

import typer

from clipgap import __version__
from clipgap.cli import (
    data_verbs,
    export_verbs,
    info_verbs,
    plot_verbs,
    predict_verb,
    prompts_verbs,
    report_verbs,
    run_verbs,
    web_verb,
    world_verbs,
)
from clipgap.cli.commands import going_on
from clipgap.engine.stopping import stop_signals
from clipgap.errors import ClipgapError, DiskError, Interrupted, LostError, exit_code_of
from clipgap.group import speaks

app = typer.Typer(
    name="clipgap",
    help="Object detectors that keep working when the conditions change, from words alone.",
    epilog="--debug, anywhere on the line, shows the traceback of an error.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS: dict[str, Callable[..., Any]] = {
    "demo": info_verbs.demo,
    "fit": run_verbs.fit,
    "train": run_verbs.train,
    "evaluate": run_verbs.evaluate,
    "compare": report_verbs.compare,
    "report": report_verbs.report,
    "predict": predict_verb.predict,
    "web": web_verb.web,
    "export": export_verbs.export,
    "import": export_verbs.import_checkpoint,
    "doctor": info_verbs.doctor,
}
for verb, function in VERBS.items():
    app.command(verb)(function)
app.add_typer(data_verbs.app, name="data")
app.add_typer(prompts_verbs.app, name="prompts")
app.add_typer(world_verbs.app, name="world")
app.add_typer(plot_verbs.app, name="plot")
app.add_typer(info_verbs.config_app, name="config")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"clipgap {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Object detectors that keep working when the conditions change, from words alone."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and end the process with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be text that can be printed
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    if not debug:
        warnings.filterwarnings("ignore")
    code = _run(arguments, debug)
    if sys.stdout and (refused := _refused(sys.stdout)):
        code = code or _tell(refused, arguments, 0, debug)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python says it once more, at its end
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    with stop_signals() as stopping:
        try:
            with stopping.at_once():
                result: Any = app(arguments or ["--help"], standalone_mode=False)
        except BaseException as error:  # noqa: BLE001 (a signal is one)
            return _tell(error, arguments, stopping.signal or getattr(error, "signal", 0), debug)
    if result == 130:  # typer has caught the interruption
        return _fail("interrupted", exit_code_of(stopping.signal), debug)
    return result if isinstance(result, int) else 0


def _tell(error: BaseException, arguments: list[str], signal: int, debug: bool) -> int:
    """Say what ended a command; its exit code. `signal` is the one that was heard, 0 if none was."""
    try:
        raise error
    except Interrupted as error:
        code = exit_code_of(error.signal or signal)
        if speaks():
            return _fail(going_on(arguments, error), code, debug)
        # Fabric kills the process that started the others as soon as one of them has not ended well.
        return code if "TORCHELASTIC_RUN_ID" in os.environ else 0
    except (DiskError, LostError) as error:
        return _fail(going_on(arguments, error), error.exit_code, debug)
    except ClipgapError as error:
        return _fail(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", exit_code_of(signal), debug) if speaks() else exit_code_of(signal)
    except BrokenPipeError:
        return 1
    except OSError as error:
        if error.filename is None and sys.stdout and _refused(sys.stdout, "\n"):  # it keeps nothing that was refused
            return _fail(f"stdout: cannot be written ({error.strerror}); make room, or send it elsewhere", 2, debug)
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}", 2, debug)
    except Exception as error:  # noqa: BLE001 (the last line of defence)
        if signal:  # it fell apart because it was told to stop
            return _fail("interrupted", exit_code_of(signal), debug)
        if hasattr(error, "format_message"):  # the command line itself; typer's own click has no public name for it
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "clipgap"
            said = error.format_message().replace("Value error, ", "").replace("Input should be", "must be")
            return _fail(f"{said} (see {command} --help)", 2, debug)
        return _fail(f"failed: {type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _refused(stream: TextIO, text: str = "") -> OSError | None:
    """Why a stream does not take what it holds and some text; None where it does."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        return error
    return None


def _fail(message: str, code: int, debug: bool) -> int:
    with suppress(OSError):  # stderr may be a file on the disk that is full
        typer.echo(f"clipgap: {message}", err=True)
        if debug:
            traceback.print_exc()
    return code


if __name__ == "__main__":
    main()
