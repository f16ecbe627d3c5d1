"""``python -m asyncexport`` is the command ``asyncexport``."""

from asyncexport.app.cli import main

if __name__ == "__main__":
    main(prog_name="asyncexport")
