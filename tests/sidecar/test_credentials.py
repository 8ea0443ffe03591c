"""The file of credentials: what may stand in it, and in which words the rest is refused."""

from pathlib import Path

import pytest
from holdfast_sidecar.config import ConfigError
from holdfast_sidecar.credentials import read_credentials

HASH = "ab" * 32


def write(folder: Path, text: str) -> Path:
    path = folder / "credentials.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_is_known_by_a_token_a_uid_or_an_address(tmp_path: Path) -> None:
    text = f"""
[[credentials]]
name = "billing"
token_sha256 = "{HASH}"
account_id = "acme"
calls_per_s = 100
burst = 200

[[credentials]]
name = "worker"
uid = 0

[[credentials]]
name = "edge"
address = "10.0.0.9"
"""
    billing, worker, edge = read_credentials(write(tmp_path, text))
    assert (billing.token_sha256, billing.account_id, billing.calls_per_s, billing.burst) == (HASH, "acme", 100, 200)
    assert (worker.uid, worker.account_id, worker.calls_per_s) == (0, "", None)
    assert edge.address == "10.0.0.9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"credentials: Field required"),
        ("credentials = []", r"credentials: .*at least 1 item"),
        ("[[credentials]]\nuid = 1", r"credentials\.0\.name: Field required"),
        ('[[credentials]]\nname = ""\nuid = 1', r"credentials\.0\.name: .*at least 1 character"),
        ('[[credentials]]\nname = "a"', r"exactly one of token_sha256, uid and address"),
        ('[[credentials]]\nname = "a"\nuid = 1\naddress = "::1"', r"exactly one of token_sha256, uid and address"),
        ('[[credentials]]\nname = "a"\ntoken_sha256 = "secret"', r"credentials\.0\.token_sha256: .*pattern"),
        ('[[credentials]]\nname = "a"\nuid = -1', r"credentials\.0\.uid: .*greater than or equal to 0"),
        ('[[credentials]]\nname = "a"\nuid = true', r"credentials\.0\.uid: .*valid integer"),
        ('[[credentials]]\nname = "a"\nuid = 1\ncalls_per_s = -1', r"credentials\.0\.calls_per_s: .*greater than"),
        ('[[credentials]]\nname = "a"\nuid = 1\ncall_per_s = 1', r"credentials\.0\.call_per_s: Extra inputs"),
        ('[[credentials]]\nname = "a"\nuid = 1\n[[credentials]]\nname = "a"\nuid = 2', r"the same name"),
        ('[[credentials]]\nname = "a"\nuid = 1\n[[credentials]]\nname = "b"\nuid = 1', r"the same uid"),
        (f'[[credentials]]\nname = "{"é" * 33}"\nuid = 1', r"credentials\.0\.name: .*at most 64 bytes"),
        ('[[credentials]]\nname = "a\\nb"\nuid = 1', r"credentials\.0\.name: .*must be printable"),
        ('[[credentials]]\nname = "a"\naddress = "localhost"', r"credentials\.0\.address: .*'localhost'"),
        (
            '[[credentials]]\nname = "a"\naddress = "::1"\n[[credentials]]\nname = "b"\naddress = "0:0:0:0:0:0:0:1"',
            r"the same address",
        ),
        ("[[credentials]", r"is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_credentials(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("said", "address"), [("10.0.0.9", "10.0.0.9"), ("::ffff:10.0.0.9", "10.0.0.9"), ("0:0:0:0:0:0:0:1", "::1")]
)
def test_an_address_may_be_written_in_any_way(tmp_path: Path, said: str, address: str) -> None:
    (edge,) = read_credentials(write(tmp_path, f'[[credentials]]\nname = "edge"\naddress = "{said}"'))
    assert edge.address == address


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_credentials(tmp_path / "nothing")
