"""Words made safe and short."""

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_trail.views.text import clean, count, duration, listed, shown_time, span


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028break\x85", "line\\u2028break\\x85"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("lone \ud800", "lone \\ud800"),
        ("no\u00a0break", "no break"),
        ("Zoë 東京 🚀", "Zoë 東京 🚀"),
        (None, ""),
        (12, "12"),
    ],
)
def test_acting_characters_are_shown_not_obeyed(hostile, shown):
    assert clean(hostile) == shown


@given(st.text())
def test_clean_text_holds_no_acting_character_and_stays_clean(text):
    cleaned = clean(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in cleaned)
    assert clean(cleaned) == cleaned


@given(st.text(), st.integers(min_value=1, max_value=30))
def test_a_limit_holds(text, limit):
    assert len(clean(text, limit)) <= limit


def test_counts_and_lists_read_like_a_sentence():
    assert [count(n, "task") for n in (0, 1, 2310)] == ["no tasks", "1 task", "2,310 tasks"]
    assert [listed("abcdef"[:n], most=3) for n in range(6)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 1 more",
        "a, b, c and 2 more",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3601, "1 h"), (5400, "1 h 30 min"), (97200, "1 d 3 h"), (-5, "0 s")],
)
def test_durations_show_two_units(seconds, shown):
    assert duration(timedelta(seconds=seconds)) == shown


def test_unknown_times_are_said_to_be_unknown():
    assert shown_time(None) == "an unknown time"
    assert shown_time("2026-03-02T14:31:09Z") == "2026-03-02 14:31:09 UTC"
    assert span("2026-03-02T14:31:09Z", None) == ""
    assert span("2026-03-02T14:31:09Z", "2026-03-02T14:41:09Z") == "10 min"
