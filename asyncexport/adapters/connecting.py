"""Whom the transport may connect to and whose word it takes for it: addresses, certificates, patience.

Contract: nothing here can be loosened from outside. The environment has no say: ``SSL_CERT_FILE``, ``SSL_CERT_DIR`` and
``SSLKEYLOGFILE`` are not read, verification has no switch, and TLS begins at 1.2. Trusted are the certificate
authorities of this system's OpenSSL, and those of one more file where the caller names it (a company's own).

The name of an object store's host has been checked before (:mod:`asyncexport.sansio.transfers.urls`), but whoever
answers for that name in the DNS decides where it leads, perhaps differently each time. So the check of the address sits
where names become addresses, right before the connection, and what is connected to is what was checked.
"""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp.abc import AbstractResolver, ResolveResult

from asyncexport.errors import ConfigError, UrlRefused
from asyncexport.sansio.transfers.urls import is_loopback_address, is_public_address


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a connection stands, an answer begins, a small call ends; without a body byte; unused and open."""

    connect: float = 15.0
    head: float = 60.0
    call: float = 120.0
    silence: float = 30.0
    idle: float = 15.0


def tls(ca_file: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificates and names, speaks TLS 1.2 or later and logs no session keys.

    ``ca_file``: authorities in PEM, trusted besides the system's. Raises :class:`ConfigError` if it holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    places = ssl.get_default_verify_paths()
    file = places.openssl_cafile if Path(places.openssl_cafile).is_file() else None
    folder = places.openssl_capath if Path(places.openssl_capath).is_dir() else None
    if file or folder:
        context.load_verify_locations(file, folder)
    if ca_file is not None:
        _trust_also(context, ca_file)
    return context


def _trust_also(context: ssl.SSLContext, ca_file: str | os.PathLike[str]) -> None:
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ConfigError(f"ca_file {os.fspath(ca_file)}: no certificates in PEM are in it") from None
    except OSError as error:
        raise ConfigError(f"ca_file {os.fspath(ca_file)}: {error.strerror}") from None


class PublicResolver(AbstractResolver):
    """Resolves by ``inner`` and refuses what is not in the public internet; ``localhost`` may only be this machine."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``. Raises :class:`UrlRefused` if any of them is not to be connected to."""
        found = await self._inner.resolve(host, port, family)
        admitted = is_loopback_address if host.lower() == "localhost" else is_public_address
        for each in found:
            if not admitted(each["host"]):
                raise UrlRefused(
                    f"the download host {host} leads to {each['host']}, which is no public address, and is not "
                    "connected to; where that is meant (a private endpoint), give the exporter a session of your own"
                )
        return found

    async def close(self) -> None:
        """Close the inner one."""
        await self._inner.close()
