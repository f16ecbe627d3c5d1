"""Where transfers run: one implementation of a transfer, and the places for it.

The places are imported when they are first used: most programs never start a process.
"""

from typing import TYPE_CHECKING

from asyncexport._lazy import lazily

if TYPE_CHECKING:
    from asyncexport.engine.runners.in_process import InProcess
    from asyncexport.engine.runners.workers import Pool, Workers, begins, starting
else:
    __getattr__, __dir__ = lazily(__name__, {"in_process": "InProcess", "workers": "Pool Workers begins starting"})

__all__ = ["InProcess", "Pool", "Workers", "begins", "starting"]
