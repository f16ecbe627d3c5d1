"""What is known of jobs beyond the run that learned it: one SQLite file in the state folder.

Contract: a note is on the disk when :meth:`SqliteJournal.note` returns. The order of notes makes a kill harmless at any
moment: *intended* before the POST, *requested* with the export id right after it, *committed* after the sink's own
commit, *failed* with whether the export is still worth collecting. So after a kill an export whose id is known is
collected and not asked for again; only a POST whose answer was never noted is made twice.

Plan: a single writer. Notes queue up, and all that wait are written in one transaction, so that forty thousand jobs
cost a few thousand fsyncs and not a hundred thousand. WAL with ``synchronous=FULL``: what was acknowledged survives a
power cut. The journal is an index, never the truth: what is committed is asked of the sink, what the server still has
of the server. A damaged or foreign file is refused with the way out. Every text fits, also one that is not Unicode (a
folder's name may be any bytes); a note that holds what a journal never holds fails alone. Worst case: the writer cannot
go on, and then everyone who waits for it is told.
"""

from __future__ import annotations

from asyncexport.adapters.journal.file import FILE, HABITS_KEPT_SECONDS, KEPT_SECONDS
from asyncexport.adapters.journal.memory import Slow, learned, slowest
from asyncexport.adapters.journal.none import NoJournal
from asyncexport.adapters.journal.reading import LabelCount, read, tally
from asyncexport.adapters.journal.writing import SqliteJournal

__all__ = [
    "FILE",
    "HABITS_KEPT_SECONDS",
    "KEPT_SECONDS",
    "LabelCount",
    "NoJournal",
    "Slow",
    "SqliteJournal",
    "learned",
    "read",
    "slowest",
    "tally",
]
