"""One account's desk: credentials from wherever they are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asyncexport import Exporter
from asyncexport.accounts import Secret, SecretSource
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.accounts.desk import Desks
from asyncexport.errors import (
    ConfigError,
)
from asyncexport.sansio.looks.learned import LearnedPolling
from asyncexport.testing import FakeTransport
from tests.engine.counterpart import Counterpart
from tests.engine.pulling import with_secrets
from tests.engine.support import (
    ACCOUNT,
)


async def test_credentials_may_come_from_functions_and_coroutines(emulator: EmulatorServer) -> None:
    """A vault is asked once, when the exporter is entered."""
    account = emulator.accounts()[0]
    asked: list[str] = []

    async def vault() -> str:
        asked.append("refresh_token")
        assert isinstance(account.refresh_token, Secret)
        return account.refresh_token.reveal() + "\n"

    def secret() -> Secret:
        assert isinstance(account.client_secret, Secret)
        return account.client_secret

    async def directly() -> str:
        assert isinstance(account.client_id, str)
        return account.client_id

    async with Exporter(
        [with_secrets(account, refresh_token=vault, client_secret=secret, client_id=directly())]
    ) as pulling:
        assert await pulling.profiles()
    assert asked == ["refresh_token"]


@pytest.mark.parametrize("source", ["", "  ", "a\nb", lambda: 7])
async def test_a_credential_that_cannot_be_one_is_refused_by_name(source: SecretSource) -> None:
    """The message names account and key, not the value."""
    with pytest.raises(ConfigError, match="account 'acme': client_secret"):
        await Exporter([with_secrets(ACCOUNT, client_secret=source)], transport=FakeTransport()).__aenter__()


async def test_a_vault_that_fails_is_told_with_its_cause() -> None:
    """Whatever the caller's function raises stays visible."""

    def vault() -> str:
        raise OSError("sealed")

    with pytest.raises(ConfigError, match="could not be fetched: OSError") as caught:
        await Exporter([with_secrets(ACCOUNT, client_secret=vault)], transport=FakeTransport()).__aenter__()
    assert isinstance(caught.value.__cause__, OSError)

    def ours() -> str:
        raise ConfigError("ours")

    with pytest.raises(ConfigError, match="ours"):
        await Exporter([with_secrets(ACCOUNT, client_secret=ours)], transport=FakeTransport()).__aenter__()


async def test_accounts_of_one_client_learn_together() -> None:
    """What was learned of exports belongs to client id and region; a schedule that was given takes its place."""
    counter = Counterpart()
    learning = Desks(replace(counter.world, schedule=None))
    first, same = [await learning.open(with_secrets(ACCOUNT)) for _ in range(2)]
    other = await learning.open(with_secrets(ACCOUNT, client_id="another"))
    told = await counter.desk()

    assert isinstance(first.polling, LearnedPolling)
    assert same.polling is first.polling
    assert other.polling is not first.polling
    assert told.polling is counter.world.schedule
