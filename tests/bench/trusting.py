"""The command `retrain` on a machine that trusts one more authority: `python -m tests.bench.trusting CA WORDS...`.

The runner trusts what certifi lists, so certifi is given another list before anything else is imported.
"""

import sys

import certifi

certificates = sys.argv.pop(1)
certifi.where = lambda: certificates

from runner.cli.main import main  # noqa: E402 -- after the list was exchanged

main()
