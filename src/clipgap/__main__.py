"""`clipgap` and `python -m clipgap`: the command line, whose own imports Ctrl-C may interrupt too."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        from clipgap.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("clipgap: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
