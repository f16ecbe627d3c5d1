"""The token host: refresh tokens become access tokens. Facts about who holds what, no clock.

An access token is good for ``seconds``; it belongs to one grant and opens that grant's profiles. One from any host
is good at every host; which profiles it opens there is a matter of the host's region. Answers to wrong credentials are
those of RFC 6749 with the texts seen in the wild.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from urllib.parse import parse_qsl, urlsplit

from asyncexport.emulator.answers import oauth_error
from asyncexport.emulator.world import Grant, World
from asyncexport.ports import Request


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom an access token was given to, and until when."""

    grant: Grant
    until: float


class Tokens:
    """Who may ask for tokens and which ones are out. ``issued`` counts by account name."""

    def __init__(self, world: World, *, seconds: float, seed: int) -> None:
        self.seconds = seconds
        self.issued: Counter[str] = Counter()
        self._grants = {grant.refresh_token: grant for grant in world.grants}
        self._secrets = {grant.client_id: grant.client_secret for grant in world.grants}
        self._out: dict[str, Holder] = {}
        self._rng = Random(f"tokens/{seed}")

    def grant_for(self, request: Request) -> Grant:
        """Check a token call, sent as a form or in the query. Raises :class:`Refusal`."""
        form = dict(parse_qsl(urlsplit(request.url).query) + parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "refresh_token" or not all(form.get(name) for name in _FIELDS):
            raise oauth_error("invalid_request")
        if self._secrets.get(form["client_id"]) != form["client_secret"]:
            raise oauth_error("invalid_client")
        grant = self._grants.get(form["refresh_token"])
        if grant is None or grant.client_id != form["client_id"]:
            raise oauth_error("invalid_grant")
        return grant

    def issue(self, grant: Grant, now: float) -> str:
        """Give out one more access token."""
        token = f"Atza|IwEBI{self._rng.getrandbits(2_000):x}"
        self._out[token] = Holder(grant, now + self.seconds)
        self.issued[grant.account] += 1
        return token

    def rotate(self, grant: Grant) -> str:
        """Give the grant another refresh token. The old one stays good: a client may die before it stores this one."""
        token = f"Atzr|IwEBI{self._rng.getrandbits(1_200):x}"
        self._grants[token] = grant
        return token

    def holder(self, token: str, now: float) -> Grant | None:
        """Return the grant of an access token, None if it is unknown, withdrawn or too old."""
        holder = self._out.get(token)
        return holder.grant if holder is not None and now < holder.until else None

    def withdraw(self, token: str) -> None:
        """Let an access token die early."""
        self._out.pop(token, None)


_FIELDS = ("refresh_token", "client_id", "client_secret")
