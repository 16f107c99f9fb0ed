"""Command groups that import a command's module when the command is asked for, not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class LazyGroup(TyperGroup):
    """Finds its commands by module: `modules` says whose `app` each command is, in the order of `--help`."""

    modules: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.modules:
            return None
        command = typer.main.get_command(importlib.import_module(self.modules[cmd_name]).app)
        command.name = cmd_name
        return command


class Commands(LazyGroup):
    """`entente`."""

    modules: ClassVar[Mapping[str, str]] = {
        "demo": "deploy.cli.demo",
        "simulate": "deploy.cli.simulate",
        "policy": "deploy.cli.policy",
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


class PolicyCommands(LazyGroup):
    """`entente policy`."""

    modules: ClassVar[Mapping[str, str]] = {
        "explain": "deploy.cli.policy.explain",
        "matrix": "deploy.cli.policy.matrix",
        "lint": "deploy.cli.policy.lint",
        "test": "deploy.cli.policy.test",
        "mutate": "deploy.cli.policy.mutate",
        "prove": "deploy.cli.policy.prove",
        "check": "deploy.cli.policy.check",
        "plan": "deploy.cli.policy.plan",
        "replay": "deploy.cli.policy.replay",
    }
