"""The command line `entente`: one file a command, imported only when that command is called.

- So `entente doctor` answers while other parts are broken or absent, and comes at once.
- Exit codes: 0 as expected, 1 not as expected, 2 something is missing or the call was wrong, 130 ended by
  Ctrl-C.
- An error that we foresaw is one sentence, never a trace.

To add a command, write a module with `app = typer.Typer()` and a line in `deploy.cli.lazy.Commands`.
"""

from __future__ import annotations

import sys

import typer

from deploy.cli.lazy import Commands
from deploy.errors import DeployError, Missing, Refused

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def entente() -> None:
    """Share intelligence between partner agencies, and see who would learn what."""


def main() -> None:
    """The console script."""
    try:
        app()
    except DeployError as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, Missing | Refused) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
