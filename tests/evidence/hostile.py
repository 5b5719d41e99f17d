"""Files that want a fast reader to be wrong: what matters spelled oddly, what does not matter spelled alike.

Each file is random, from a `random.Random`; the same dice give the same file. Records are whole CloudTrail records with
other records inside their strings and objects; texts are spelled with escapes, blanks, repeated keys and keys in any
order; now and then a value, a key or a byte is wrong.
"""

import copy
import json
import random
from typing import Any, Final

from evidence_builders import ACCOUNT, SESSION, Record, assume_role, denied, record

_TIMES: Final = (
    "2026-03-02T09:00:00Z", "2026-03-02T09:00:00.123Z", "2026-03-02T09:00:00.9999995Z", "2026-03-02t09:00:00z",
    "2026-03-02T11:00:00+02:00", "2026-03-02 09:00:00", "2026-03-02T09:00Z", "2026-03-02T24:00:00Z", "1772442000",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30T09:00:00Z", "2026-03-02T09:00:00.1234567891Z", "",
)  # fmt: skip
_ODD: Final[tuple[tuple[str, Any], ...]] = (
    ("eventType", "AwsServiceEvent"), ("eventType", "AwsNewEvent"), ("eventType", "AwsCloudTrailInsight"),
    ("eventCategory", "Insight"), ("eventCategory", "Data"), ("eventCategory", "New"), ("insightDetails", None),
    ("insightDetails", 0), ("recipientAccountId", "999999999999"), ("awsRegion", "xx-new-1"), ("awsRegion", ""),
    ("eventSource", "aws:s3"), ("eventSource", "aws:"), ("errorCode", ""), ("errorCode", "AccessDenied"),
    ("requestParameters", None), ("requestParameters", "{}"), ("requestParameters", [1, "]", "}"]),
    ("responseElements", None), ("responseElements", {"a": "}]}"}), ("userIdentity", {"type": "Root"}),
    ("userIdentity", {"type": "AssumedRole", "principalId": f"AROA:{SESSION}"}),
    ("userIdentity", {"type": "IAMUser", "principalId": f"AIDA:{SESSION}"}),
    ("userIdentity", {"arn": f"arn:aws:sts::1:assumed-role/a/{SESSION}2"}), ("userIdentity", None),
    ("eventID", None), ("eventID", ""), ("eventName", ""), ("eventVersion", None), ("resources", None),
    ("eventName", "StopTask"), ("eventName", "AssumeRole"), ("eventName", "AssumeRoleWithSAML"),
)  # fmt: skip


def hostile_file(dice: random.Random) -> tuple[bytes, int]:
    """The bytes of a file and about how many records they hold."""
    count = dice.choice((1, 2, 5, 20, 60, 120))
    wild = dice.choice((0.0, 0.0, 0.0, 0.002, 0.05))
    records = [_record(dice, number, wild) for number in range(count)]
    style = _Style(dice)
    texts = [style.spell(one) for one in records]
    between = style.blank()
    match dice.randrange(6):
        case 0:
            text = "\n".join(json.dumps(json.loads(one)) for one in texts)
        case 1:
            text = between + "[" + f",{between}".join(texts) + "]" + between
        case 2 if wild:
            text = '{"Records":[],"Records":[' + ",".join(texts) + "]}"
        case 3:
            text = json.dumps({"Records": [json.loads(one) for one in texts]}, indent=dice.choice((1, 2, 4)))
        case _:
            text = f'{between}{{{between}"Records"{between}:{between}[' + f"{between},{between}".join(texts) + "]}"
    data = bytearray(text.encode("utf-8", errors="surrogatepass"))
    if dice.random() < wild * 4:
        place = dice.randrange(len(data))
        data[place : place + dice.randrange(2)] = bytes([dice.choice(b'"{}[],:\\\xff\x80 a')])
    return bytes(data), count


def _record(dice: random.Random, number: int, wild: float) -> Record:
    made = record(number, userIdentity={"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/ann"},
                  eventName="DescribeInstances")  # fmt: skip
    if dice.random() < 0.04:
        made = dice.choice((record, assume_role, denied))(number)
    made["eventID"] = f"{dice.getrandbits(64):016x}"
    if dice.random() < 0.98:  # as in nearly all published records
        made["responseElements"] = dice.choice((None, None, {"a": "}]}", "b": [{"c": '\\"{'}]}))
    if dice.random() < 0.1:
        inner = copy.deepcopy(record(number))
        made["requestParameters"] = dice.choice(
            (
                {"Records": [inner, inner]},
                {"text": json.dumps(inner)},
                inner,
                {"roleSessionName": SESSION},
            )
        )
    if dice.random() < 0.002:  # no service asks so, and the fast lane does not take the file
        made["requestParameters"] = [{"a": 1}, copy.deepcopy(record(number))]
    if dice.random() < 0.03:
        made["userAgent"] = f'\\"eventName\\":\\"StopTask\\"}},{{"arn":"x:assumed-role/a/{SESSION}" \u2028 \ud83d\ude00'
    if dice.random() < wild:
        made["eventTime"] = dice.choice(_TIMES)
    if dice.random() < wild:
        name, value = dice.choice(_ODD)
        made[name] = value
    if dice.random() < wild / 4:
        del made[dice.choice(list(made))]
    return made


class _Style:
    """How one file spells JSON."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.blanks = dice.choice(("", "", "", " ", "\n", "\t ", "\r\n"))
        self.escapes = dice.choice((0.0, 0.0, 0.02, 0.3))
        self.repeats = dice.choice((0.0, 0.0, 0.05))
        self.is_shuffled = dice.random() < 0.3

    def blank(self) -> str:
        return self.blanks

    def spell(self, value: Any) -> str:
        if isinstance(value, dict):
            items = list(value.items())
            if self.is_shuffled:
                self.dice.shuffle(items)
            if items and self.dice.random() < self.repeats:  # the later one counts
                items.insert(0, (self.dice.choice(items)[0], self.dice.choice((None, "x", 1, {}))))
            inner = f",{self.blanks}".join(f"{self._text(key)}{self.blanks}:{self.spell(one)}" for key, one in items)
            return f"{{{inner}{self.blanks}}}"
        if isinstance(value, list):
            return f"[{self.blanks}{','.join(map(self.spell, value))}]"
        return self._text(value) if isinstance(value, str) else json.dumps(value)

    def _text(self, text: str) -> str:
        spelled = json.dumps(text, ensure_ascii=self.dice.random() < 0.5)
        if not self.escapes or self.dice.random() > self.escapes * 3 or "\\" in spelled:
            return spelled
        return '"' + "".join(map(self._letter, text)) + '"'

    def _letter(self, letter: str) -> str:
        if letter == "/":
            return "\\/"
        if ord(letter) < 0x10000 and (self.dice.random() < self.escapes or letter in '"\\' or letter < " "):
            return f"\\u{ord(letter):04{self.dice.choice('xX')}}"
        return letter
