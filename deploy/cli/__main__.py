"""`python -m deploy.cli`: the console script, for processes that start it by module."""

from deploy.cli import main

main()
