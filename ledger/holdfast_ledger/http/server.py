"""The HTTP endpoint of a replica: calls, the console, on the loop that gRPC runs on."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from holdfast_ledger.access.gate import Gate
from holdfast_ledger.http.calls import call_routes
from holdfast_ledger.http.pages import ConsoleFiles, with_headers
from holdfast_ledger.services import Service

IDLE_S = 75
"""For how long a connection may be without a whole request: proxies keep theirs for a minute."""

LINGER_S = 2
"""For how long the rest of a body that was refused is read, so that its sender comes to read the answer."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class HttpServer:
    """One listener. `start`, then `stop`."""

    def __init__(
        self, services: list[Service], gate: Gate, *, listen: str, hosts: frozenset[str], max_body_bytes: int
    ) -> None:
        """`hosts`: names by which it is called, beside those of this machine and of `listen`; "*": any."""
        host, _, port = listen.rpartition(":")
        self._host, self._wanted_port = host, int(port)
        middlewares = [with_headers, _only_for(hosts | _LOCAL | {host})]
        application = web.Application(middlewares=middlewares, client_max_size=max_body_bytes)
        application.add_routes(call_routes(services, gate))
        application.router.add_get("/{path:.*}", ConsoleFiles().serve)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
        )
        self.port = 0

    async def start(self) -> None:
        """Binds the port and serves. Raises OSError if it is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host.strip("[]"), self._wanted_port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends the listener and what is under way."""
        await self._runner.cleanup()


def _only_for(hosts: frozenset[str]) -> Middleware:
    """Refuses requests that name another host.

    A page of another site may have its own name resolve to this address ("DNS rebinding"), and could then call as if it
    came from here.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.host.lower()
        name = name if name.endswith("]") else name.rpartition(":")[0] or name
        if "*" in hosts or name in hosts:
            return await handler(request)
        return web.Response(status=421, text="this ledger is not called so; see its setting http_hosts")

    return check
