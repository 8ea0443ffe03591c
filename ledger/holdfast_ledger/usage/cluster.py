"""A ClickHouse cluster over HTTP: the same SQL, tables and rows as the embedded engine.

    clickhouse://USER:PASSWORD@HOST:8123/DATABASE?cluster=NAME&replicated=1&secure=1

All its statements go to one address. Behind a load balancer that must be one server for a connection's life, since a
turn reads what it has just written; with `replicated` writes wait for a majority of the replicas, and reads for these.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
import pyarrow as pa

from holdfast_ledger.usage.database import (
    NO_PARAMETERS,
    QUERY_TIMEOUT_MS,
    Parameter,
    UsageRefused,
)
from holdfast_ledger.usage.embedded import insert_settings, query_settings, translated
from holdfast_ledger.usage.schema import Placement

PORT = 8123
SECURE_PORT = 8443

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 600
"""An insertion may wait behind others; questions have a limit of their own at the server."""

_REPLICATED = {"insert_quorum": "auto", "insert_quorum_parallel": "0", "select_sequential_consistency": "1"}
"""A replica that does not have the latest writes is not asked."""

_OPTIONS = frozenset(("cluster", "replicated", "secure"))


class ClusterDatabase:
    """ClickHouse servers. See `UsageDatabase`."""

    def __init__(self, url: str) -> None:
        """Connects. Raises `UsageStoreError`; its text has no password."""
        try:
            said = urlsplit(url)
            options = {
                name: values[-1] for name, values in parse_qs(said.query, strict_parsing=bool(said.query)).items()
            }
            port = said.port
        except ValueError:
            raise UsageRefused("usage_store: the URL of the cluster cannot be read") from None
        if unknown := options.keys() - _OPTIONS:
            raise UsageRefused(f"usage_store: unknown options {', '.join(sorted(unknown))}")
        secure = options.get("secure") == "1"
        self.placement = Placement(options.get("cluster", ""), options.get("replicated") == "1")
        self._database = unquote(said.path.lstrip("/")) or "default"
        with translated():
            self._client = clickhouse_connect.get_client(
                host=said.hostname or "localhost",
                port=port or (SECURE_PORT if secure else PORT),
                username=unquote(said.username or "default"),
                password=unquote(said.password or ""),
                database=self._database,
                secure=secure,
                autogenerate_session_id=False,
                form_encode_query_params=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=READ_TIMEOUT_S,
                settings=_REPLICATED if self.placement.replicated else {},
            )

    def query(
        self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, timeout_ms: int = QUERY_TIMEOUT_MS
    ) -> pa.Table:
        """See `UsageDatabase`."""
        with translated():
            return self._client.query_arrow(sql, dict(parameters), query_settings(timeout_ms))

    def command(self, sql: str, parameters: Mapping[str, Parameter] = NO_PARAMETERS, token: str = "") -> None:
        """See `UsageDatabase`."""
        with translated():
            self._client.command(sql, dict(parameters), settings=insert_settings(token))

    def insert(self, table: str, rows: pa.Table, token: str = "") -> None:
        """See `UsageDatabase`."""
        with translated():
            self._client.insert_arrow(table, rows, settings=insert_settings(token))

    def close(self) -> None:
        """See `UsageDatabase`."""
        self._client.close()
