"""A command group that imports a command's module when the command is asked for, not before."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

#: Command -> the module whose `app` it is. The order is the one in `entente --help`.
COMMANDS = {
    "demo": "deploy.cli.demo",
    "simulate": "deploy.cli.simulate",
    "arrangement": "deploy.cli.arrangement",
    "keys": "deploy.cli.keys",
    "agency": "deploy.cli.agency",
    "broker": "deploy.cli.broker",
    "reshard": "deploy.cli.reshard",
    "ledger": "deploy.cli.ledger",
    "verify": "deploy.cli.verify",
    "settings": "deploy.cli.settings",
    "doctor": "deploy.cli.doctor",
}


class LazyGroup(TyperGroup):
    """Finds its commands in `COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command
