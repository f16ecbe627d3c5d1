"""How long a person is kept waiting: few attempts for who only looks, and a word for whoever waits.

Contract: :data:`SHORT` is the policy of commands that only look: without a network they end after some 15 seconds at
most where connections are refused or names not found, and after three connection timeouts where packets vanish. A night
job has the exporter's own patience. :class:`Waiting` is a listener that says in one line on stderr that a call is made
again, until a run has begun: from then on its progress is seen. When a host answers nobody, and when it does again, is
said at any time.
"""

from __future__ import annotations

from asyncexport.app.console import duration
from asyncexport.app.exits import say
from asyncexport.events import CallRetried, Event, OutageContinued, OutageEnded, OutageStarted, RunStarted
from asyncexport.sansio.pacing.backoff import Backoff

SHORT = Backoff(attempts=3, first=3.0, longest=6.0, outage=0.0, refusals=3)

_WORDS = {
    "ConnectError": "cannot connect",
    "ConnectionLost": "the connection was cut",
    "Stalled": "the connection stalled",
    "Throttled": "too many requests",
    "ServerError": "the server cannot answer now",
    "ProtocolError": "the answer cannot be used",
}


class Waiting:
    """A listener that tells a person why nothing seems to happen before a run begins."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, event: Event) -> None:
        """Say that a call failed in a way that passes, and when it is made again."""
        match event:
            case RunStarted():
                self._begun = True
            case CallRetried() if not self._begun:
                why = in_words(event.reason)
                say(f"account {event.account}: {why} ({event.what}); trying again in {duration(event.delay)}")
            case OutageStarted():
                say(f"{silence(event)}; it is waited for")
            case OutageEnded():
                say(f"host {event.host} answers again after {duration(event.seconds)}")

    def __repr__(self) -> str:
        return f"<Waiting {'no more' if self._begun else 'for the run'}>"


def in_words(reason: str) -> str:
    """Return what a person calls the error of this class name."""
    return _WORDS.get(reason, reason)


def silence(outage: OutageStarted | OutageContinued) -> str:
    """Return for how long a host has answered nobody, as of its last try, and when the next one is.

    What matters comes first: a display cuts it to the terminal's width.
    """
    silent, why = duration(outage.seconds), in_words(outage.reason)
    return f"no answer from {outage.host} for {silent}, next try in {duration(outage.delay)} ({why})"
