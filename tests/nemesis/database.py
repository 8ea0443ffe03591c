"""A PostgreSQL that every ledger replica reaches through a proxy of its own, so that each link can be cut by itself."""

from holdfast_bench.postgres import Server

from tests.nemesis.network import Network
from tests.nemesis.proxy import ProxyProcess, Setting

LINK = "database"
COMMIT = "COMMIT\0"
"""The statement as it is on the wire, with the zero byte that ends it; "READ COMMITTED" is another one."""
SETTINGS = {"fsync": "off", "shared_buffers": "64MB"}
"""The host does not crash here, so what a commit wrote survives the server without waiting for the disk."""


class Database:
    """The server, a database in it, and the links to it."""

    def __init__(self) -> None:
        self._server = Server(**SETTINGS)
        self.url = self._server.create()
        self._proxies: dict[str, ProxyProcess] = {}

    def link(self, network: Network, host: str) -> str:
        """Opens the link of a ledger replica; returns the URL by which it reaches the database."""
        proxy = self._proxies[host] = ProxyProcess(network.prefix(host))
        port = proxy.open(LINK, "127.0.0.1:0", f"unix:{self._server.folder}/.s.PGSQL.{self._server.port}")
        name = self.url.partition("?")[0].rpartition("/")[2]
        return f"postgresql://holdfast@127.0.0.1:{port}/{name}"

    def set(self, host: str, setting: Setting) -> None:
        """Changes how a replica's link behaves."""
        self._proxies[host].set(LINK, **setting)

    def cut_count(self, host: str) -> int:
        """How often a replica's connections were cut at what was watched for."""
        return self._proxies[host].traffic(LINK).cut_count

    def stop(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, every connection torn."""
        self._server.stop()

    def start(self) -> None:
        """Starts it again; it recovers from its log."""
        self._server.start()

    def close(self) -> None:
        """Leaves nothing behind."""
        for proxy in self._proxies.values():
            proxy.close()
        self._server.close()
