"""Which signed URLs may be connected to.

The URL of an export comes out of a JSON body, so it is input: without a guard, whoever can forge that body makes us
connect anywhere, from inside the user's network. Admitted is https on the default port to a host below one of the
allowed suffixes; plain http only when the API itself is a loopback address (the emulator, a test) and the host is that
same address. No user names, no IP addresses otherwise, no characters that parsers disagree about. The URL is never
normalised: what is admitted goes out byte for byte. Where the host's name leads is checked when it is connected to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from asyncexport.errors import UrlRefused
from asyncexport.models import SignedUrl

_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]{1,8192}")
"""What is visible in ASCII, but for what parsers disagree about: quotation marks, backslashes, most brackets."""

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_download_url(url: SignedUrl, *, allowed: Sequence[str], api_url: str) -> None:
    """Raise :class:`UrlRefused` unless ``url`` may be connected to.

    ``allowed`` lists host suffixes with a leading dot (``.amazonaws.com``) or whole host names.
    """
    why = _objection(url.reveal(), allowed, api_url)
    if why:
        raise UrlRefused(f"the export's download URL {str(url)!r} is not followed: {why}")


def _objection(url: str, allowed: Sequence[str], api_url: str) -> str:
    """Return what speaks against the URL, nothing if nothing does. Raises nothing, for its locals are secret."""
    if not _PLAIN.fullmatch(url):
        return "it holds characters that no URL holds"
    try:
        parts = urlsplit(url)
        clear = parts.port != 0 and "@" not in parts.netloc and "#" not in url
    except ValueError:
        return "it cannot be read"
    if not clear:
        return "it cannot be read in one way only"
    if parts.scheme == "http" and _is_loopback_twin(parts.hostname or "", api_url):
        return ""
    return _objection_to(parts.scheme, parts.hostname or "", parts.port, allowed)


def _objection_to(scheme: str, host: str, port: int | None, allowed: Sequence[str]) -> str:
    if scheme != "https":
        return "only https is followed"
    if port not in {None, 443}:
        return "only port 443 is followed"
    if _address(host) is not None or not _HOST.fullmatch(host):
        return "the host is no plain host name"
    if not any(_below(host, suffix) for suffix in allowed):
        return f"the host is not among download_hosts ({', '.join(allowed)})"
    return ""


@lru_cache(maxsize=256)
def is_loopback(url: str) -> bool:
    """Tell whether ``url`` points to this machine by address or by the name ``localhost``."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_loopback_address(address: str) -> bool:
    """Tell whether a numeric address is this machine's own."""
    found = _address(address)
    return found is not None and found.is_loopback


def is_public_address(address: str) -> bool:
    """Tell whether a numeric address lies in the public internet.

    So must an IPv4 address that an IPv6 one carries inside (mapped, 6to4, NAT64), because that is where it leads.
    """
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        carried = _carried(found)
        if carried is None:
            return found in _GLOBAL_UNICAST and found.is_global
        found = carried
    return found is not None and found.is_global and not found.is_multicast and not found.is_reserved


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_loopback_twin(host: str, api_url: str) -> bool:
    return is_loopback(api_url) and host == urlsplit(api_url).hostname


def _below(host: str, suffix: str) -> bool:
    host, suffix = host.lower(), suffix.lower()
    return host.endswith(suffix) if suffix.startswith(".") else host == suffix


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
