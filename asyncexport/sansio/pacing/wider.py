"""Whether 429s speak of a whole client and not of single profiles, and how much less it then calls.

The documented limits are a profile's, but an API may also count all calls of a client in a region. Nothing in a 429
says so; what tells it is who meets it. The plan: calls and 429s of the last :data:`WINDOW` seconds are counted by
profile. When several profiles that hardly called were throttled, and they are half of all that called, then a bucket is
put in front of the whole client, at half the pace of that window; it halves at further 429s and grows back when it is
quiet, as any :class:`Bucket`, and is taken away when it has been full for a window.

It stays only while it helps. Whoever is limited by rate gets as many answers when it asks less often, and hardly any
429s; whoever is refused at random gets the same share of 429s, and fewer and fewer answers, since the bucket halves
again and again. Then slowing was in vain: the bucket goes, and :data:`REST` seconds pass before the next try. Worst
case: 429s at random cost most of the pace for a window or two in ten minutes.

What the other profiles meet also says how likely one is throttled by no fault of its own (:meth:`ClientRate.chance`).
"""

from __future__ import annotations

from collections import Counter, deque

from asyncexport.sansio.pacing.bucket import Bucket

WINDOW = 10.0
"""Seconds that are looked back upon, and after which it is asked whether slowing helps."""

REST = 600.0
"""Seconds until it is tried again after it was in vain."""

_LEAST_PROFILES = 3
_LEAST_SHARE = 0.5
_IDLE_SHARE = 0.2
_ENOUGH_CALLS = 30
_LEAST_SECONDS = WINDOW / 2
_FEWER_429S = 0.6
_AS_MANY_ANSWERS = 0.5
_SUPPOSED_CALLS = 20


class _Recent:
    """Events of the last window, by profile."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, str]] = deque()
        self.by_profile: Counter[str] = Counter()

    def add(self, now: float, profile_id: str) -> None:
        self._events.append((now, profile_id))
        self.by_profile[profile_id] += 1
        self.forget(now)

    def forget(self, now: float) -> None:
        events, counts = self._events, self.by_profile
        while events and events[0][0] < now - WINDOW:
            profile_id = events.popleft()[1]
            counts[profile_id] -= 1
            if not counts[profile_id]:
                del counts[profile_id]

    @property
    def began(self) -> float:
        """When the first of them was; never, if there are none."""
        return self._events[0][0] if self._events else float("inf")

    def since(self, moment: float) -> int:
        """Return how many there were from a moment on."""
        return sum(1 for at, _ in self._events if at >= moment)

    def __len__(self) -> int:
        return len(self._events)


class _Trial:
    """A time in which fewer calls are made: does it help? ``share`` and ``answers`` (a second) are those of before."""

    def __init__(self, now: float, share: float, answers: float) -> None:
        self._share = share
        self._answers = answers
        self.begin(now)

    def begin(self, now: float) -> None:
        self.began = now
        self.calls = self.throttled = 0

    def is_over(self, now: float) -> bool:
        return now - self.began >= WINDOW and self.calls >= _ENOUGH_CALLS

    def was_in_vain(self, now: float) -> bool:
        has_fewer = self.throttled <= _FEWER_429S * self._share * self.calls
        answers = (self.calls - self.throttled) / (now - self.began)
        return not has_fewer and answers < _AS_MANY_ANSWERS * self._answers


class ClientRate:
    """The calls of one client in one region. ``rate`` is what each of its profiles may call, a second."""

    def __init__(self, rate: float) -> None:
        self._idle_calls = _IDLE_SHARE * rate * WINDOW
        self._sent = _Recent()
        self._refused = _Recent()
        self._bucket: Bucket | None = None
        self._trial: _Trial | None = None
        self._full_since: float | None = None
        self._rests_until = float("-inf")

    @property
    def is_slowed(self) -> bool:
        """Tell whether the client calls less than its profiles would."""
        return self._bucket is not None

    def chance(self, now: float, profile_id: str) -> float:
        """Return how likely a call is throttled whatever the profile has called: the others' share of 429s.

        At least 0 and less than 1; low as long as the others have hardly called.
        """
        self._sent.forget(now)
        self._refused.forget(now)
        calls = len(self._sent) - self._sent.by_profile.get(profile_id, 0)
        refused = len(self._refused) - self._refused.by_profile.get(profile_id, 0)
        return refused / (max(calls, refused) + _SUPPOSED_CALLS)

    def take(self, now: float, profile_id: str) -> float:
        """Let a call of the profile pass and return 0.0, or return the seconds until one can."""
        if self._bucket is not None and (wait := self._bucket.take(now)):
            return wait
        self._sent.add(now, profile_id)
        if self._trial is not None:
            self._trial.calls += 1
        return 0.0

    def throttled(self, now: float, profile_id: str, *, sent_at: float) -> None:
        """A 429 about the rate answered a call of the profile that had passed at ``sent_at``."""
        self._refused.add(now, profile_id)
        self._full_since = None
        if self._bucket is None or self._trial is None:
            if now >= self._rests_until and self._concerns_all(now):
                self._slow_down(now)
        elif sent_at >= self._trial.began:
            self._trial.throttled += 1
            self._bucket.throttled(now, sent_at=sent_at)
            self._judge(now, self._trial)

    def succeeded(self, now: float) -> None:
        """A call went through."""
        if self._bucket is None or self._trial is None:
            return
        self._bucket.succeeded(now)
        if not self._bucket.is_at_full_rate:
            self._judge(now, self._trial)
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= WINDOW:
            self._release()

    def _concerns_all(self, now: float) -> bool:
        self._sent.forget(now)
        if len(self._sent) < _ENOUGH_CALLS or now - self._refused.began < _LEAST_SECONDS:
            return False
        calls = self._sent.by_profile
        idle = sum(1 for profile_id in self._refused.by_profile if calls[profile_id] <= self._idle_calls)
        return idle >= _LEAST_PROFILES and idle >= _LEAST_SHARE * len(calls)

    def _slow_down(self, now: float) -> None:
        """Begin a trial, to be compared with the time since the first of the recent 429s."""
        since = self._refused.began
        seconds, sent, refused = now - since, self._sent.since(since), len(self._refused)
        self._trial = _Trial(now, share=refused / max(sent, 1), answers=max(0, sent - refused) / seconds)
        self._bucket = Bucket(max(1.0, sent / seconds), burst=1)
        self._bucket.throttled(now)

    def _judge(self, now: float, trial: _Trial) -> None:
        if not trial.is_over(now):
            return
        if trial.was_in_vain(now):
            self._release()
            self._rests_until = now + REST
        else:
            trial.begin(now)

    def _release(self) -> None:
        self._bucket = self._trial = self._full_since = None

    def __repr__(self) -> str:
        return f"<ClientRate {'as its profiles' if self._bucket is None else repr(self._bucket)}>"
