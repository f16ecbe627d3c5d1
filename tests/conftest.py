"""What all tests share: the emulator fixture that ships with the package, what is told, how properties are searched."""

from hypothesis import settings

from tests.support import steady

pytest_plugins = ["asyncexport.pytest_plugin", "tests.reporting", "tests.sinks.moto_server"]

settings.register_profile("steady", steady)
settings.load_profile("steady")
