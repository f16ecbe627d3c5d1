"""Whether 429s speak of a whole client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from asyncexport.emulator.rates import Buckets
from asyncexport.sansio.pacing.wider import REST, WINDOW, ClientRate
from tests.support import steady

Server = Callable[[float], bool]


@dataclass
class Played:
    """What came of a time of calls. ``slowed``: seconds in which less was called, ``began``: when that began."""

    calls: int = 0
    throttled: int = 0
    slowed: float = 0.0
    began: tuple[float, ...] = ()


def play(
    client: ClientRate, refuses: Server, since: float, until: float, *, pace: float = 20.0, profiles: int = 40
) -> Played:
    """Call as often as is wanted and allowed, for one profile after the other; answers come at once."""
    played, now, was_slowed = Played(), since, client.is_slowed
    while now < until:
        profile_id = f"p{played.calls % profiles}"
        if wait := client.take(now, profile_id):
            now += wait
            played.slowed += wait
            continue
        played.calls += 1
        if refuses(now):
            played.throttled += 1
            client.throttled(now, profile_id, sent_at=now)
        else:
            client.succeeded(now)
        if client.is_slowed and not was_slowed:
            played.began += (now,)
        was_slowed = client.is_slowed
        now += 1 / pace
    return played


def allowing(rate: float) -> Server:
    """Return a server that counts all calls together."""
    buckets = Buckets(rate, 5)
    return lambda now: bool(buckets.take("", now))


def at_random(share: float, seed: int = 1) -> Server:
    """Return a server that throttles whatever the rate is."""
    random = Random(seed)
    return lambda _: random.random() < share


def test_a_server_that_counts_all_calls_of_a_client() -> None:
    """It is soon noticed; from then on hardly a call is in vain, and nearly all that are allowed are made."""
    client = ClientRate(5.0)
    play(client, server := allowing(5.0), 0.0, 30.0)
    assert client.is_slowed

    later = play(client, server, 30.0, 330.0)
    assert later.throttled <= 0.15 * later.calls
    assert later.calls - later.throttled >= 0.75 * 5.0 * 300.0


def test_a_limit_far_below_what_is_wanted() -> None:
    """That the share of 429s falls slowly does not deceive: there are as many answers as before."""
    client = ClientRate(5.0)
    play(client, server := allowing(1.5), 0.0, 60.0, pace=60.0, profiles=200)
    assert client.is_slowed
    later = play(client, server, 60.0, 360.0, pace=60.0, profiles=200)
    assert later.throttled <= 0.35 * later.calls


def test_429s_at_random() -> None:
    """Slowing is tried, is in vain, and is not tried again for ten minutes."""
    client = ClientRate(5.0)
    played = play(client, at_random(0.3), 0.0, 1300.0)
    first, second, third = played.began
    assert first < 2 * WINDOW
    assert second - first > REST
    assert third - second > REST
    assert played.calls > 0.95 * 20.0 * 1300.0
    assert not client.is_slowed


def test_a_limit_that_goes_away() -> None:
    """The pace grows back, and when it has been as of old for a while nothing stands in front of the client."""
    client = ClientRate(5.0)
    play(client, allowing(5.0), 0.0, 60.0)
    assert client.is_slowed
    play(client, at_random(0.0), 60.0, 120.0)
    assert not client.is_slowed


def test_a_few_profiles_that_are_throttled() -> None:
    """Each for itself is slowed elsewhere: they are no large part of those that call."""
    client = ClientRate(5.0)
    for at in range(2000):
        now, profile_id = at / 20, f"p{at % 40}"
        assert client.take(now, profile_id) == 0.0
        if at % 40 < 5:
            client.throttled(now, profile_id, sent_at=now)
        else:
            client.succeeded(now)
    assert not client.is_slowed


def test_profiles_that_call_as_much_as_they_may() -> None:
    """Their 429s are about themselves, however many they are."""
    client = ClientRate(2.0)
    for at in range(2000):
        now, profile_id = at / 40, f"p{at % 8}"
        client.take(now, profile_id)
        client.throttled(now, profile_id, sent_at=now)
    assert not client.is_slowed


def test_too_little_to_go_by() -> None:
    """Neither a burst at the beginning nor a few calls now and then say anything about a pace."""
    burst, seldom = ClientRate(5.0), ClientRate(5.0)
    for at in range(100):
        for client, now in ((burst, at / 100), (seldom, at * 1.0)):
            client.take(now, f"p{at % 40}")
            client.throttled(now, f"p{at % 40}", sent_at=now)
    assert not burst.is_slowed
    assert not seldom.is_slowed


def test_a_429_to_an_old_call() -> None:
    """It is no news once the client has slowed down."""
    client = ClientRate(5.0)
    play(client, allowing(5.0), 0.0, 30.0)
    before = repr(client)
    client.throttled(30.0, "p1", sent_at=1.0)
    assert repr(client) == before


@steady
@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 9), st.sampled_from(["ok", "429", "late 429"])), max_size=300)
)
def test_any_course(steps: list[tuple[float, int, str]]) -> None:
    """Whoever waits as long as it says passes after a few rounds, whatever has come before."""
    client, now = ClientRate(1.0), 0.0
    for seconds, profile, answer in steps:
        now += seconds
        for _ in range(50):
            if not (wait := client.take(now, f"p{profile}")):
                break
            now += wait
        else:
            raise AssertionError("no permit came")
        if answer == "ok":
            client.succeeded(now)
        else:
            client.throttled(now, f"p{profile}", sent_at=now if answer == "429" else now - 20.0)


def test_the_chance_of_a_429() -> None:
    """It is the share that the others meet, and is forgotten with the window; a profile's own 429s do not count."""
    client = ClientRate(5.0)
    for at in range(200):
        client.take(at / 40, f"p{at % 10}")
        if at % 10 in {0, 1, 2}:
            client.throttled(at / 40, f"p{at % 10}", sent_at=at / 40)
    assert client.chance(5.0, "p9") == 60 / (180 + 20)
    assert client.chance(5.0, "p0") == 40 / (180 + 20)
    assert client.chance(5.0, "new") == 60 / (200 + 20)
    assert client.chance(5.0 + 2 * WINDOW, "p9") == 0.0


def test_late_429s_are_no_certainty() -> None:
    """The chance stays below one where the calls that they answer are already forgotten."""
    client = ClientRate(5.0)
    for _ in range(50):
        client.throttled(100.0, "p1", sent_at=80.0)
    assert client.chance(100.0, "p2") == 50 / (50 + 20)


def test_a_client_in_words() -> None:
    """It says whether it is slowed, and how much."""
    client = ClientRate(5.0)
    assert repr(client) == "<ClientRate as its profiles>"
    play(client, allowing(5.0), 0.0, 30.0)
    assert repr(client).startswith("<ClientRate <Bucket ")
