"""Findings: what a tired person must know first.

words → known → impact (stuck, at risk, provisioning) and others (leaks, TLS, PassRole) → table; explain stands beside.
"""
