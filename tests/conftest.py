"""What holds for every test: nothing fails because the machine is slow."""

from hypothesis import settings

settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")
