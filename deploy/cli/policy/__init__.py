"""`entente policy`: read, test, compare and prove sharing rules, before anybody signs them.

One file a command, each over an arrangement's folder or the name of one that is shipped. None of them changes what
holds anywhere; `entente arrangement` does.
"""

import typer

from deploy.cli.lazy import PolicyCommands

app = typer.Typer(cls=PolicyCommands, no_args_is_help=True, add_completion=False)


@app.callback()
def policy() -> None:
    """Read, test, compare and prove sharing rules."""
