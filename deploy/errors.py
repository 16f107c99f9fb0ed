"""What can go wrong while bringing something up, classed by what the caller does next.

- `Missing`: the computer lacks something. Say the one sentence and exit with code 2; nothing is left behind.
- `DeployError`: any other failure; its message is one line and names the file or log that tells more.
- `retriable` says whether the same call may succeed when simply made again.
"""

from __future__ import annotations


class DeployError(Exception):
    """A service, file or tool of the deployment did not do what was asked."""

    retriable = False


class Missing(DeployError):
    """Something has to be installed or freed first; the message says what, and how."""


class StartFailed(DeployError):
    """A child process ended, or did not get ready in time; the message names its log file."""

    retriable = True


class Refused(DeployError):
    """What was asked cannot be done as it was asked; the message says what, where and what was expected."""
