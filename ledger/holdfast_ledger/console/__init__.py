"""The console's files in `static/`, which `http` serves: built from `ledger/console/`, not there unless they were."""
