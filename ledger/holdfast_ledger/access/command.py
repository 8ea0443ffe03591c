"""`holdfast ledger credential`: makes a credential in the database itself, for the first one of all."""

import argparse
from collections.abc import Sequence

from holdfast.v1 import access_service_pb2 as api

from holdfast_ledger.access.caller import Role
from holdfast_ledger.access.service import add_credential, credential_row
from holdfast_ledger.access.tokens import new_token
from holdfast_ledger.store.interface import Store


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's arguments."""
    result = argparse.ArgumentParser(
        prog="holdfast ledger credential",
        description="Creates a credential in the database and prints its token, once.",
    )
    result.add_argument("--database", required=True, help="file of the SQLite database, or a postgresql:// URL")
    result.add_argument("--id", required=True, help="id of the credential")
    result.add_argument("--role", default="administrator", choices=[role.name.lower() for role in Role])
    result.add_argument("--account", default="", help="the only account that it may name")
    return result


def create(store: Store, arguments: argparse.Namespace, now_ms: int) -> str:
    """Creates a credential; returns its token. Raises `LedgerError`, `StoreError`."""
    said = api.Credential(
        credential_id=arguments.id, role=f"ROLE_{arguments.role.upper()}", account_id=arguments.account
    )
    token = new_token()
    row = credential_row(said, token, now_ms)
    with store.writing() as writer:
        add_credential(writer, row)
    return token


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the arguments; exits on --help and on mistakes."""
    return parser().parse_args(arguments)
