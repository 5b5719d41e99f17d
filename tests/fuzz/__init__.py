"""Fuzzing: what each target feeds, how the fuzzer runs, and the corpus that every test run replays."""
