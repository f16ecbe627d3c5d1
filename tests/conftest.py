"""What all tests share: the emulator fixture that ships with the package."""

pytest_plugins = ["asyncexport.pytest_plugin"]
