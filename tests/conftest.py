"""What holds for every test: nothing fails because the machine is slow, or because of how the suite was started."""

import signal

from hypothesis import settings

settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
