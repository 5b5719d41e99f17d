"""The sample story is answered as its known answer says: every task, cause, outage bound and secret."""

from pathlib import Path

import ecs_trail as et
from ecs_trail.accuracy import compare
from ecs_trail.practice import Incident, sample_answer

SAMPLE = Path(__file__).parent.parent / "sample_logs"


def test_the_sample_is_answered_right() -> None:
    answer = sample_answer()
    story = Incident("sample", 0, "the sample story", [], {}, answer, tuple(answer["harmless_event_ids"]))
    judged = compare(et.investigate(SAMPLE).document, story)
    assert judged.misses == []
    assert judged.total["states"] == len(answer["tasks"]) + len(answer["tls"])
    assert judged.total["bounds"] >= 2 * len([one for one in answer["outages"] if not one.get("maybe")])
    assert judged.blamed == 0
