"""`python -m runner` is the same program as `retrain`."""

from runner.cli.main import main

main()
