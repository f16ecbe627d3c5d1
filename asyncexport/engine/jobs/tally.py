"""What an exporter has sent so far, counted where it happens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Calls to the API and the token host; 429s among their answers; POSTs whose answer was lost."""

    requests: int = 0
    throttled: int = 0
    possibly_orphaned: int = 0

    def count_request(self) -> None:
        """One more call goes out."""
        self.requests += 1
