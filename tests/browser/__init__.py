"""The console in Chromium. A package, so that its browser and its ledger end with the last of its tests."""
