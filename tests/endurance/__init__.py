"""What takes too long for a test, as commands whose figures stand in `tests/README.md`."""
