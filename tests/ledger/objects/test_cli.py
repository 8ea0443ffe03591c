"""`holdfast ingest`: once, in rehearsal, and what it tells."""

import time
from pathlib import Path

import pytest
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.objects.cli import main
from holdfast_ledger.store.interface import Account


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A ledger's database with an account."""
    path = str(tmp_path / "ledger.sqlite")
    store = open_store(path)
    with store.writing() as writer:
        writer.insert_account(Account("acme", "", 1))
    store.close()
    return path


def event_time() -> int:
    """Some seconds ago."""
    return time.time_ns() // 1_000_000 - 10_000


def write(path: Path, *rows: str, header: str = "id,source,type,time,account_id") -> Path:
    """Writes a file of CSV."""
    path.write_text("\n".join((header, *(row.replace("NOW", str(event_time())) for row in rows))))
    return path


def test_files_are_taken_in_once(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for again, by the file or by its folder, it is told what became of them."""
    folder = tmp_path / "objects"
    folder.mkdir()
    file = write(folder / "a.csv", "1,s,t,NOW,acme", "2,s,t,NOW,nobody")
    for url in (str(file), str(folder), file.as_uri()):
        assert main([url, "--database", database]) == 0
        assert capsys.readouterr().out == "a.csv: 1 events, 1 bad rows\n"
    store = open_store(database)
    with store.reading() as reader:
        assert len(reader.event_batches(0, 10)) == 1
    store.close()
    assert len(list(folder.glob("a.csv.bad/*/*"))) == 1


def test_a_rehearsal_takes_nothing_in(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows what would be bad, and why."""
    file = write(tmp_path / "a.csv", "1,s,t,NOW,acme", "2,s,,NOW,acme", "3,s,t,NOW,nobody")
    assert main([str(file), "--dry-run", "--database", database]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a.csv: 1 events, 2 bad rows",
        "  row 3: type: is missing",
        "  row 4: account_id: is 'nobody', which the ledger does not have",
    ]
    assert main([str(file), "--dry-run"]) == 1, "without a database accounts are not looked up"
    assert "a.csv: 2 events, 1 bad rows" in capsys.readouterr().out
    assert not (tmp_path / "a.csv.bad").exists()
    assert main(["status", "--database", database]) == 0
    assert capsys.readouterr().out == ""


def test_columns_may_have_other_names(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And be missing, where there is a default."""
    file = write(tmp_path / "a.csv", "1,NOW,m,x", header="key,time,engine,note")
    flags = ["--column", "id=key", "--column", "dimension.model=engine", "--ignore", "note"]
    defaults = ["--default", "source=s", "--default", "type=t", "--default", "account_id=acme"]
    assert main([str(file), "--database", database, *flags, *defaults]) == 0
    assert capsys.readouterr().out == "a.csv: 1 events, 0 bad rows\n"


def test_an_ingest_file_says_what_is_below_its_sources(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The objects count under its name."""
    file = write(tmp_path / "a.dat", "1;s;t;NOW;acme", header="id;source;type;time;account_id")
    config = tmp_path / "ingest.toml"
    config.write_text(
        f'[[sources]]\nname = "dat"\nurl = "{tmp_path.as_uri()}"\nformat = "csv"\ndelimiter = ";"\npattern = "*.dat"\n'
    )
    assert main([str(file), "--database", database, "--config", str(config)]) == 0
    assert main(["status", "--database", database]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a.dat: 1 events, 0 bad rows"
    assert out[1].startswith("dat: 0 pending, 0 running, 1 done, 0 failed; 1 rows, 0 bad, ")


def test_what_failed_is_told_and_may_be_retried(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From where it failed."""
    (tmp_path / "a.parquet").write_bytes(b"no")
    assert main([str(tmp_path / "a.parquet"), "--database", database]) == 1
    assert "a.parquet: 0 events, 0 bad rows; fails: is no whole Parquet file" in capsys.readouterr().out
    main(["status", "--database", database])
    source = capsys.readouterr().out.partition(":")[0]
    main(["status", source, "--database", database])
    assert "  a.parquet: failed, 0 rows, 0 bytes is no whole Parquet file" in capsys.readouterr().out
    assert main(["retry", source, "a.parquet", "--database", database]) == 0
    assert capsys.readouterr().out == "1 objects will be tried again\n"
    main(["status", "--database", database])
    assert "1 pending, 0 running, 0 done, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ftp://x/y"], "is not a URL of s3, gs, az or file"),
        (["{folder}/nothing.csv"], "nothing.csv: "),
        (["s3://bucket/x", "--option", "bogus=1"], "Configuration key: 'bogus' is not valid"),
        (["{folder}", "--column", "nope=x"], "'nope' is no field of an event"),
        (["{folder}", "--default", "id=x"], "'id' is not one of"),
        (["{folder}", "--option", "region=x"], "a folder has no options"),
        (["{folder}", "--column", "id"], "'id' is not NAME=VALUE"),
        (["{folder}", "--config", "{folder}/none.toml"], "No such file"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    """With an exit status of their own."""
    arguments = [one.format(folder=tmp_path) for one in arguments]
    assert main([*arguments, "--database", database]) in {64, 69}
    assert told in capsys.readouterr().err


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be a ledger without accounts."""
    file = write(tmp_path / "a.csv", "1,s,t,NOW,acme")
    assert main([str(file), "--database", str(tmp_path / "none.sqlite")]) == 64
    assert "there is no such file" in capsys.readouterr().err
    assert not (tmp_path / "none.sqlite").exists()
