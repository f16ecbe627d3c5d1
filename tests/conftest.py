"""What all tests share: the emulator fixture that ships with the package, and how properties are searched."""

from hypothesis import settings

from tests.support import steady

pytest_plugins = ["asyncexport.pytest_plugin"]

settings.register_profile("steady", steady)
settings.load_profile("steady")
