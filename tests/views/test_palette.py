"""Colours: legible on their paper, and apart from one another for people with any colour vision."""

from itertools import combinations

import pytest

from ecs_trail.views.palette import DARK, HATCHED, LIGHT, MARK_WORDS, MEANINGS, PALETTES, STATE_WORDS, urgency
from ecs_trail.vocabulary import TaskState, TlsState, VolumeState

#: Linear RGB as people without one kind of cone see it (Machado, Oliveira and Fernandes 2009, severity 1).
SIGHT = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def seen(colour, matrix):
    """The colour in CIE Lab (D65) as somebody sees it."""
    rgb = linear(colour)
    red, green, blue = (min(max(sum(m * c for m, c in zip(row, rgb, strict=True)), 0), 1) for row in matrix)
    white = (0.95047, 1.0, 1.08883)
    xyz = (
        0.4124 * red + 0.3576 * green + 0.1805 * blue,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        0.0193 * red + 0.1192 * green + 0.9505 * blue,
    )
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (one / full for one, full in zip(xyz, white, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one, other, matrix):
    pairs = zip(seen(one, matrix), seen(other, matrix), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda one: one.name)
def test_words_and_bars_stand_out_from_their_paper(palette):
    for name in ("ink", "soft", "deep", "good", "bad"):
        assert contrast(getattr(palette, name), palette.paper) >= 4.5, name
        if name in {"ink", "soft"}:
            assert contrast(getattr(palette, name), palette.panel) >= 4.5, name
    for name in ("warn", "calm", "violet"):
        assert contrast(getattr(palette, name), palette.paper) >= 3, name


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda one: one.name)
def test_states_are_told_apart_with_any_colour_vision(palette, sight):
    names = ("good", "bad", "warn", "calm", "deep")
    for one, other in combinations(names, 2):
        assert distance(getattr(palette, one), getattr(palette, other), SIGHT[sight]) >= 15, (one, other)


def test_the_measure_tells_red_from_green_only_where_people_do():
    assert distance("#c00000", "#5a7000", SIGHT["full"]) > 60
    assert distance("#c00000", "#5a7000", SIGHT["deuteranopia"]) < 30


def test_every_state_and_mark_has_a_colour():
    states = {one.value for kind in (TaskState, VolumeState, TlsState) for one in kind}
    assert states <= set(MEANINGS) | {"unknown"}
    assert set(STATE_WORDS) | set(MARK_WORDS) <= set(MEANINGS) | {"unknown"}
    assert set(HATCHED) <= set(STATE_WORDS)
    for palette in PALETTES.values():
        assert all(getattr(palette, field).startswith("#") for field in MEANINGS.values())
        assert palette.colour("no such state") == palette.unknown


def test_what_hangs_is_more_urgent_than_what_runs():
    assert urgency("stuck") < urgency("at_risk") < urgency("recovered") < urgency("running") < urgency("nobody knows")
