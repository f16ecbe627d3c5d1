"""What a run will take: queues, waves, and the longest of them."""

from __future__ import annotations

from asyncexport.app.estimate import GENERATION, Queue, client_names, queues
from asyncexport.models import Entity
from tests.app.support import account, job


def test_queues() -> None:
    """The exports of one endpoint form a queue that goes through its slots in waves."""
    jobs = [job(str(number)) for number in range(11)] + [job("1", Entity.ADS)]
    found = queues(jobs, [account()], 5)
    assert found == [Queue("acme", "EU", "campaigns", 11, 3), Queue("acme", "EU", "ads", 1, 1)]
    assert found[0].seconds == 3 * GENERATION


def test_accounts_that_share_a_client() -> None:
    """Accounts of one client id share its slots and are named together."""
    accounts = [account("a"), account("b"), account("c", client_id="other")]
    assert client_names(accounts) == {"a": "a+b", "b": "a+b", "c": "c"}
    jobs = [job("1", account="a"), job("2", account="b"), job("3", account="c")]
    assert queues(jobs, accounts, 1) == [Queue("a+b", "EU", "campaigns", 2, 2), Queue("c", "EU", "campaigns", 1, 1)]
