"""Posts one body to one URL: https, no redirects, no proxies, every step bounded, public addresses only.

A webhook's URL is a caller's, and the ledger stands inside the operator's network: it must not be made to talk to what
is next to it. So the name is resolved here, every address of it must be public, and the connection goes to an address
that was looked at, not to the name, which might resolve to another one by then.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping

import httpx2

TIMEOUT_S = 10.0
"""For the whole exchange; a receiver answers first and works later."""


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a translator, in the last four bytes (RFC 6052)."""


class NotDelivered(Exception):
    """The other side did not take it; the message says why. `final`: it never will."""

    def __init__(self, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def is_public(address: str) -> bool:
    """Whether an IP address may belong to anybody on the internet, and not to a neighbour of the ledger."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or inner or ip
    return ip.is_global and not ip.is_multicast


class Poster:
    """Posts; one connection pool."""

    def __init__(self, allow_private: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        """Makes the client.

        Args:
            allow_private: Whether private addresses and plain http are allowed: for tests, and for operators whose
                webhooks are all their own.
            timeout_s: For the whole exchange.
        """
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._client = httpx2.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Posts a body. Raises `NotDelivered` for all but 2xx."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._exchange(httpx2.URL(url), headers, body)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as fault:
            raise NotDelivered(f"{type(fault).__name__}: {fault}") from fault
        if not 200 <= status < 300:
            raise NotDelivered(f"the receiver answered {status}", final=status == 410)

    async def _exchange(self, url: httpx2.URL, headers: Mapping[str, str], body: bytes) -> int:
        if url.scheme != "https" and not self._allow_private:
            raise NotDelivered("the URL is not https", final=True)
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        if not self._allow_private and not all(map(is_public, addresses)):
            raise NotDelivered(f"{url.host} resolves to an address that is not public")
        request = self._client.build_request(
            "POST",
            url.copy_with(host=addresses[0], port=port),
            headers={**headers, "host": url.netloc.decode(), "content-type": "application/json"},
            content=body,
            extensions={"sni_hostname": url.host},
        )
        response = await self._client.send(request, stream=True)  # the body is not read: it says nothing to us
        await response.aclose()
        return int(response.status_code)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
