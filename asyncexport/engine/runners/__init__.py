"""Where transfers run: one implementation of a transfer, and the places for it."""

from asyncexport.engine.runners.in_process import InProcess

__all__ = ["InProcess"]
