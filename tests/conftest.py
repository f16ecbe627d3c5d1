"""What all tests share: the emulator fixture that ships with us, real servers, what is needed and what is told."""

from hypothesis import settings

from tests.support import steady

pytest_plugins = [
    "asyncexport.pytest_plugin",
    "tests.reporting",
    "tests.sinks.moto_server",
    "tests.sinks.postgres_server",
    "tests.needs",
]

settings.register_profile("steady", steady)
settings.load_profile("steady")
