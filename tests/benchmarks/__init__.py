"""Benchmarks: measured by hand, never asserted by a clock in a test."""
