"""URLs and options of the stores; what needs the services of Google and Microsoft is not tried here."""

from pathlib import Path

import pytest
from holdfast_ledger.objects.config import IngestConfigError, load_file, resolved
from holdfast_ledger.objects.stores import ObjectFile, ObjectGone, look_up, open_object_store
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

AZURE_KEY = "a2V5"


def test_each_scheme_is_its_store(tmp_path: Path) -> None:
    """With the options that it knows."""
    assert isinstance(open_object_store("s3://bucket/in", {"region": "eu-west-1"}), S3Store)
    assert isinstance(open_object_store("gs://bucket/in", {"skip_signature": "true"}), GCSStore)
    azure = open_object_store("az://container/in", {"account_name": "acme", "account_key": AZURE_KEY})
    assert isinstance(azure, AzureStore)
    assert isinstance(open_object_store(tmp_path.as_uri(), {}), LocalStore)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("bucket/in", {}),
        ("ftp://host/in", {}),
        ("memory://", {}),
        ("http://169.254.169.254/latest", {}),
        ("s3://bucket", {"no_such_option": "1"}),
        ("gs://bucket", {"region": "eu"}),
    ],
)
def test_mistakes_in_urls_and_options_are_told(url: str, options: dict[str, str]) -> None:
    """They do not pass with time."""
    with pytest.raises(ValueError, match="is not"):
        open_object_store(url, options)


def test_options_may_come_from_the_environment() -> None:
    """So that no secret need be in the file; a variable that is not there is a mistake."""
    assert resolved({"region": "eu", "secret_access_key": "env:KEY"}, {"KEY": "k"}) == {
        "region": "eu",
        "secret_access_key": "k",
    }
    with pytest.raises(IngestConfigError, match="there is no variable KEY"):
        resolved({"secret_access_key": "env:KEY"}, {})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Wherever a source is printed."""
    file = tmp_path / "ingest.toml"
    file.write_text('[[sources]]\nname = "s"\nurl = "s3://b"\n[sources.options]\nsecret_access_key = "hush"\n')
    (source,) = load_file(file).sources
    assert source.options == {"secret_access_key": "hush"}
    assert "hush" not in repr(source)


def test_sources_have_names_of_their_own(tmp_path: Path) -> None:
    """The manifest knows objects by them."""
    file = tmp_path / "ingest.toml"
    file.write_text('[[sources]]\nname = "s"\nurl = "s3://b"\n' * 2)
    with pytest.raises(IngestConfigError, match="there are two sources 's'"):
        load_file(file)


def test_an_object_is_read_anywhere_at_one_version(tmp_path: Path) -> None:
    """Parquet is read from its end; a file that is replaced meanwhile is gone."""
    (tmp_path / "a").write_bytes(b"0123456789")
    store = open_object_store(tmp_path.as_uri(), {})
    found = look_up(store, "a")
    file = ObjectFile(store, found)
    file.seek(-3, 2)
    assert (file.read(), file.read(), file.tell(), file.size()) == (b"789", b"", 10, 10)
    file.seek(2)
    assert (file.read(3), file.tell()) == (b"234", 5)
    (tmp_path / "a").write_bytes(b"abcdefghijk")
    with pytest.raises(ObjectGone):
        file.read(1)
    assert isinstance(file.fault, ObjectGone)
    with pytest.raises(ObjectGone):
        look_up(store, "b")
