"""Where transfers run: what is worth a journey, and when a process is worth its start."""

from __future__ import annotations

from asyncexport.sansio.scheduling.placing import WORTH_A_JOURNEY, WORTH_A_START, Placing, size_of

SMALL = WORTH_A_JOURNEY - 1
MIDDLE = WORTH_A_START // 4


def test_what_is_small_stays_in_the_loop() -> None:
    """Also where workers are idle: its order and receipt would cost more than itself."""
    placing = Placing(2)
    assert {placing.place(SMALL, loads) for loads in ([], [0], [0, 0])} == {None}


def test_a_large_export_starts_a_process_at_once() -> None:
    """One that costs as much as a start does not wait for others, and one of unknown size counts as such."""
    assert Placing(1).place(WORTH_A_START, []) == 0
    assert Placing(1).place(size_of(None), []) == 0
    assert size_of(17) == 17


def test_what_a_process_died_under_is_large() -> None:
    """It has to get another one, and is not kept in the loop until there is more to do."""
    assert [size_of(size, deaths=1) for size in (None, 17, 2 * WORTH_A_START)] == [
        WORTH_A_START,
        WORTH_A_START,
        2 * WORTH_A_START,
    ]


def test_exports_of_middle_size_start_a_process_when_they_have_cost_as_much() -> None:
    """The loop keeps them until together they were worth a start; then the count begins anew."""
    placing = Placing(2)
    assert [placing.place(MIDDLE, []) for _ in range(8)] == [None, None, None, 0] * 2
    assert repr(placing) == "<Placing among 2, 0 bytes kept in the loop>"


def test_small_exports_never_start_a_process() -> None:
    """However many there are: a night of them runs in the loop."""
    placing = Placing(2)
    assert {placing.place(SMALL, []) for _ in range(1000)} == {None}
    assert placing.place(MIDDLE, []) is None


def test_the_worker_with_the_least_to_do_is_next() -> None:
    """As long as one of them has little to do no other is started."""
    assert Placing(4).place(MIDDLE, [WORTH_A_START, 5, 7]) == 1


def test_a_further_process_is_started_when_all_have_much_to_do() -> None:
    """Up to as many as there may be; then the least busy one takes more."""
    placing = Placing(2)
    assert placing.place(MIDDLE, [WORTH_A_START]) == 1
    assert placing.place(MIDDLE, [3 * WORTH_A_START, 2 * WORTH_A_START]) == 1
