"""Guards around an export: tokens, waiting, slots, the journal and the lock."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_TOKENS = ("tests/adapters/test_tokens.py", "tests/engine/test_api.py")
_ENGINE = ("tests/engine/test_export.py", "tests/engine/test_run.py", "tests/engine/test_transfer.py")
_JOURNAL = ("tests/adapters/test_journal.py",)

EXPORTS = (
    Mutant(
        "Retry-After is not obeyed",
        "sansio/backoff.py",
        "return max(delay, asked) + spread()",
        "return delay + 0 * spread()",
        ("tests/sansio/test_backoff.py",),
    ),
    Mutant(
        "a pause is not kept",
        "sansio/bucket.py",
        "self._paused_until = max(self._paused_until, now + retry_after)",
        "pass",
        ("tests/sansio/test_bucket.py",),
    ),
    Mutant(
        "a call is made beyond its deadline",
        "adapters/retrying.py",
        "if delay is None or self._clock.now() + delay > last_moment + extension():",
        "if delay is None:",
        ("tests/adapters/test_retrying.py",),
    ),
    Mutant(
        "attempts count while the host is down for everybody",
        "adapters/retrying.py",
        "            attempts.begin_anew()\n            return",
        "            if attempts.failed(error) is None:\n                return None\n            return",
        ("tests/adapters/test_retrying.py",),
    ),
    Mutant(
        "an outage counts towards deadlines",
        "adapters/host.py",
        "return seconds_covered(",
        "return 0.0 * seconds_covered(",
        ("tests/adapters/test_host.py",),
    ),
    Mutant(
        "those who waited for the end of an outage come at once",
        "sansio/gate.py",
        "return 1.0 / (share * self._normal)",
        "return 0.0",
        ("tests/sansio/test_gate.py",),
    ),
    Mutant(
        "retries are not budgeted",
        "sansio/backoff.py",
        "        if self._left < 1.0:\n            return False\n",
        "",
        ("tests/sansio/test_backoff.py",),
    ),
    Mutant(
        "everybody refreshes",
        "adapters/tokens.py",
        "return self._fresh() or await self._refreshed(",
        "return await self._refreshed(",
        _TOKENS,
    ),
    Mutant(
        "every 401 retires the newest token",
        "adapters/tokens.py",
        "if self._current is not None and self._current.generation == access.generation:",
        "if True:",
        _TOKENS,
    ),
    Mutant(
        "a refused grant is tried again",
        "adapters/tokens.py",
        "_FINAL = (AuthError, ",
        "_FINAL = (",
        _TOKENS,
    ),
    Mutant(
        "a 401 with a fresh token is the token's fault",
        "engine/api.py",
        "            raise ProfileAccessDenied(",
        "            raise TokenRejected(",
        _TOKENS,
    ),
    Mutant(
        "more exports than slots",
        "sansio/slots.py",
        "while self._turns and self._busy < self._capacity:",
        "while self._turns:",
        ("tests/sansio/test_slots.py", *_ENGINE),
    ),
    Mutant(
        "a slot may be given back twice",
        "sansio/slots.py",
        "if self._busy == 0:",
        "if False:",
        ("tests/sansio/test_slots.py",),
    ),
    Mutant(
        "a slot is never given back",
        "sansio/slots.py",
        "self._busy -= 1",
        "pass",
        ("tests/sansio/test_slots.py",),
    ),
    Mutant(
        "no intent before the POST",
        "engine/export.py",
        ".note(job, Intended())",
        ".recall([])",
        _ENGINE,
    ),
    Mutant(
        "the id is not noted",
        "engine/export.py",
        ".note(job, Requested(export.export_id))",
        ".recall([])",
        _ENGINE,
    ),
    Mutant(
        "the commit is not noted",
        "engine/run.py",
        "            await self._journal.note(job, Committed(receipt, ready.seconds))\n            return receipt",
        "            return receipt",
        _ENGINE,
    ),
    Mutant(
        "exports older than a day are taken up",
        "engine/export.py",
        " or known.age_seconds >= EXPORT_KEPT_SECONDS",
        "",
        _ENGINE,
    ),
    Mutant(
        "any id of the journal goes into a URL",
        "engine/export.py",
        "not wire.is_usable_id(known.export_id) or ",
        "",
        _ENGINE,
    ),
    Mutant(
        "an export may run for ever",
        "engine/export.py",
        "            if now >= deadline:\n                raise _too_slow(job, export.export_id, now - times.began)\n",
        "",
        _ENGINE,
    ),
    Mutant(
        "URLs are not checked",
        "engine/desk.py",
        "        check_download_url(url, allowed",
        "        str(url) or check_download_url(url, allowed",
        ("tests/engine/test_desk.py", *_ENGINE),
    ),
    Mutant(
        "ids may climb out of their path",
        "sansio/wire.py",
        "and export_id.isprintable() and not climbs",
        "and export_id.isprintable()",
        (
            "tests/sansio/test_wire.py",
            "tests/sansio/test_wire_exports.py",
        ),
    ),
    Mutant(
        "a journal of anybody is used",
        "adapters/journal/file.py",
        'if connection.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:',
        "if False:",
        _JOURNAL,
    ),
    Mutant(
        "a damaged journal is used",
        "adapters/journal/file.py",
        'if (verdict := connection.execute("pragma quick_check(1)").fetchone()[0]) != "ok":',
        "if False:",
        _JOURNAL,
    ),
    Mutant(
        "two runs at once",
        "adapters/lock.py",
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fd",
        ("tests/adapters/test_lock.py",),
    ),
)
