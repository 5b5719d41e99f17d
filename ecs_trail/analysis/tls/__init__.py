"""Service Connect TLS.

calls (every call on a secret) → lives (issue, rotations, deletion; services name them) → locks (changes outside the
role) → links (what blocked a step) → secrets (one judged row per secret).
"""
