"""What all tests share: no example of a property test may fail for taking long on a busy machine."""

from hypothesis import settings

settings.register_profile("busy-machine", deadline=None)
settings.load_profile("busy-machine")
