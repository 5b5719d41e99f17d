"""The document as bytes."""

import json

import incident
import pytest

from ecs_trail.views.document import to_json


def test_the_same_document_gives_the_same_bytes_in_the_given_order():
    data = to_json(incident.broken())
    assert data == to_json(incident.broken())
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == list(incident.broken())


@pytest.mark.parametrize("text", ["Zoë 東京 🚀", "\u202e\x1b\x85\u2028\ufeff\U000e0041", "lone \ud800", 'quo"te\\'])
def test_values_survive_and_acting_characters_are_written_as_escapes(text):
    data = to_json({"text": text})
    decoded = data.decode("utf-8")
    assert json.loads(decoded) == {"text": text}
    assert not set(decoded) & set("\u202e\x1b\x85\u2028\ufeff\U000e0041")


def test_readable_letters_stay_readable():
    assert "Zoë" in to_json({"name": "Zoë"}).decode()
