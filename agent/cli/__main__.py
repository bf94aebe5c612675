"""``python -m agent.cli``: the command line without the console script."""

from agent.cli import main

main()
