"""Where transfers run: one implementation of a transfer, and the places for it."""

from asyncexport.engine.runners.in_process import InProcess
from asyncexport.engine.runners.workers import Pool, Workers, begins, starting

__all__ = ["InProcess", "Pool", "Workers", "begins", "starting"]
