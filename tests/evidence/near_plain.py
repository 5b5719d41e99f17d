"""Files one step off plain CloudTrail: a few records, each right but for one or two tokens, so that nothing else hides
whether a reader minds that step.

Made of JSON tokens and not of values: what no JSON writer would write is said too. From a `random.Random`; the same
dice give the same file. `hostile` makes the large and the misleading files.
"""

import random
from collections.abc import Sequence
from typing import Final

from evidence_builders import ACCOUNT, ROLE, SESSION

Member = tuple[str, str]

_ARN: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/"
#: As long as those of sessions are, so that the walk knows them again by their whole text.
_LONG: Final = (
    f'{{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE000:@","arn":"{_ARN}@","accountId":"{ACCOUNT}",'
    '"sessionContext":{"sessionIssuer":{"type":"Role"},"attributes":{"mfaAuthenticated":"false"}}}'
)
_CALLERS: Final = (
    _LONG.replace("@", SESSION), _LONG.replace("@", "other"), _LONG.replace('"false"', '"true"'),
    f'{{"type":"AssumedRole","arn":"{_ARN}{SESSION}","accountId":"{ACCOUNT}","sessionContext":{{"a":[1,{{}}]}}}}',
    f'{{"type":"AssumedRole","principalId":"AROA:x","arn":"{_ARN}other"}}',
    '{"type":"AWSService","invokedBy":"ecs.amazonaws.com"}',
    f'{{"type":"IAMUser","arn":"arn:aws:iam::{ACCOUNT}:user/ann"}}', "{}",
)  # fmt: skip
_ODD_CALLERS: Final = (
    _LONG.replace('"false"', '"ja\udcff"'), _LONG.replace('"false"', '"é"'), _LONG.replace("}}}", "}}"),
    _LONG.replace('"false"', f'"{"x" * 900}"'), _LONG.replace('"Role"', '"Role","a":1'),
    _LONG.replace("}}}", f'}},"arn":"{_ARN}"}}'), _LONG.replace('"type":"Role"', '"type":"\\u0052ole"'),
    "null", "[]", '""', "1", '"{}"', '{"type":null,"arn":null}', '{"type":1}', '{"arn":["x"]}', '{"arn":{}}',
    f'{{"type":"AssumedRole","principalId":"AROA:{SESSION}"}}', f'{{"type":"Root","principalId":"AROA:{SESSION}"}}',
    '{"type":"AssumedRole","arn":""}', f'{{"arn":"{_ARN}other","arn":"{_ARN}{SESSION}","type":"AssumedRole"}}',
    f'{{"arn":"{_ARN}{SESSION}","type":"Root","arn":"{_ARN}other"}}',
    f'{{"type":"Root","type":"Root","arn":"{_ARN}x"}}',
    f'{{"type":"Assumed\\u0052ole","arn":"{_ARN}\\u0045CSTaskVolumesForEBS"}}', f'{{"ar\\u006e":"{_ARN}{SESSION}"}}',
    f'{{"Arn":"{_ARN}{SESSION}"}}', f'{{"arn":"{_ARN}{SESSION}",}}', f'{{"arn":"{_ARN}{SESSION}"',
    f'{{"arn":"{_ARN.replace("/", chr(92) + "/")}{SESSION}"}}', f'{{"arn":"{_ARN}","type":"AssumedRole"}}',
    f'{{ "arn" : "{_ARN}{SESSION}" , "type" : "AssumedRole" }}', f'{{"sessionContext":"","arn":"{_ARN}{SESSION}"}}',
    f'{{"arn":"x/assumed-role/{SESSION}"}}', f'{{"arn":"x:assumed-role/a/{SESSION}/"}}',
)  # fmt: skip
_PARAMETERS: Final = ("null", "{}", '{"volumeId":"vol-1"}', f'{{"roleArn":"{ROLE}","roleSessionName":"{SESSION}"}}')
_ODD_PARAMETERS: Final = (
    "[]", '""', '"{}"', "0", "true", f'["{SESSION}"]', '{"roleSessionName":null}', '{"roleSessionName":""}',
    '{"roleSessionName":7}', '{"roleArn":{}}', f'"{{\\"roleSessionName\\":\\"{SESSION}\\"}}"',
    f'{{"roleSessionName":"x","roleSessionName":"{SESSION}"}}',
    f'{{"roleSessionName":"{SESSION}","roleSessionName":"x"}}', f'{{"roleSession\\u004eame":"{SESSION}"}}',
    '{"roleSessionName":"ECSTaskVolumes\\u0046orEBS"}', f'{{"rolesessionname":"{SESSION}"}}',
    f'{{"a":{{"roleSessionName":"{SESSION}"}}}}', '{"a":1,"a":2}', '{"a":01}', f'{{"roleSessionName":"{SESSION}"',
    "{,}", '{"a"}', '{"a":}', "{1:2}", "nul", "nulll", "NULL",
)  # fmt: skip
_STRINGS: Final = (
    "null", '""', '"x"', '"é€\U0001d11e"', '"\\u00e9"', '"\\ud834\\udd1e"', '"\\ud800"', '"\\udc00x"', '"a\\/b"',
    '"\\n"', '"\\u0000"', '"\\u000a"', '"\0"', '"\x1f"', '"\n"', '"\x7f"', '"\t"', '"\\x"', '"\\u12"', '"\\u123"',
    '"\\u123g"', '"\\"', '"a\\\\"', '"\\""', "0", "-0", "1.5", "true", "{}", "[]", '["x"]', '{"a":"b"}', "'x'", "x",
    "", '"x', 'x"', '"x""y"', '"aws:s3"', '"aws:"', '"awss:x"', '"AccessDenied"', f'"{SESSION}"', '"Insight"',
    '"Management"', '"NetworkActivity"', '"Aggregated"', '"AwsApiCall"', '"AwsCloudTrailInsight"',
    '"AwsApi\\u0043all"', '"AssumeRoleWithSAML"', '"Assume\\u0052ole"', '"sts.amazonaws.com"', '"999999999999"', '" "',
    '"\\ud7ff"', '"\\uD83d"', '"\udcff"', '"\\n\udcff"', '"\udced\udca0\udc80"',
)  # fmt: skip
_VALUES: Final = (
    *_STRINGS, *_PARAMETERS, *_CALLERS, "-", "-1", "01", "+1", ".5", "1.", "1.e1", "1e5", "1E+5", "-1.25", "1e999",
    "NaN", "Infinity", "123456789012345678", "1234567890123456789", "9" * 400, "0.1234567890123456789", "tru", "truee",
    "None", "[1,]", "[,1]", "[1 2]", "[1", "1]", '{"a":1,}', '{"a" 1}', '{"a":1 "b":2}', "{", "}", "[]]", "[[],{}]",
    "/**/1", "[1}", '{"a":1]', "[}", "{]", '[{"a":1]}', '{"Records":[{}]}', '"}]}"', '"{\\"eventName\\":\\"x\\"},"',
)  # fmt: skip
#: Free-form parts: keys of credentials, whole and in pieces, in whatever case and behind whatever; and blanks.
_PARTS: Final = (
    '{"a":"two words"}', '{"a" :1}', '{"a":\t1}', '{"a":"x y",\t"b":1}', '{"a":"\\" :"}', '{"a":"\\\\" }',
    '{"a":"b"\n}', '["\\n"]', '"{}"', '"[]"', '"{"', '" "', '"null"', "null", '""', "{}", "[]", "1", "-0.50", '"x"',
    '{"credentials":{"sessionToken":"s","accessKeyId":"A"}}', '{"sessionToken":"s"}', '{"SECRETACCESSKEY":[1.0]}',
    '{"credential":1,"sessiontoke":2,"ecretaccesskey":"x"}', '{"text":"CredentialS"}', '{"cred":"entials"}',
    f'{{"{"k" * 9}":"{"e" * 17}sessionToken"}}', f'{{"a":"{"x" * 31}credentials{"y" * 40}","b":1.50}}',
    '{"\\u0063redentials":"s"}', '{"a":"\\u00e9"}', '{"a":"\\\\user"}', '{"credentials":null}',
    '{"kekekecrcr":"crcrke"}', '{"a":"Credentials", "b":1}', '{"a":"Credentials","a":1e2}', '"sessionToken"',
    '[{"ARN":"arn:aws:iam::111122223333:role/x","accountId":"111122223333","type":"AWS::IAM::Role"}]',
    "credentials", '{"a":"\\"" ,"b":1}', '[{"ARN":"arn:aws:iam::111122223333:role\\/x"}]',
    '{"tlsVersion":"TLSv1.3"}', '{"a":1,"a":2}',
)  # fmt: skip
_WORDS: Final = (
    '"x"', '""', "null", '"a b"', '"\\u00e9\\n"', '"é"', '"a\\/b\\\\"',
    '"not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/\\u0061b.,"',
)  # fmt: skip
_ANSWERS: Final = ("true", "false", "null", "true", "false", '"true"', "1")
#: Days behind the end of a February.
_LEAPS: Final = ("2026-03-02", "2026-03-02", "2024-03-01", "2000-12-31", "1900-03-01", "1969-12-31", "2100-06-30")
#: What records have beside what they are judged by.
_MORE: Final = {
    "requestID": _WORDS, "sharedEventID": _WORDS, "errorMessage": _WORDS, "sourceIPAddress": _WORDS,
    "userAgent": _WORDS, "readOnly": _ANSWERS, "managementEvent": _ANSWERS, "additionalEventData": _PARTS,
    "serviceEventDetails": _PARTS, "resources": _PARTS, "tlsDetails": _PARTS, "responseElements": _PARTS,
}  # fmt: skip
#: Names that mean something to one reader or another.
_NAMES: Final = (
    "insightDetails", "insightDetails", "insightDetails", "errorCode", "errorMessage", "eventid", "eventId",
    "EventName", "eventtime", "event_name", "Records", "detail", "detail-type", "source", "CloudTrailEvent",
    "digestStartTime", "logFiles", "taskArn", "lastStatus", "messageType", "class_uid", "Events", "s3Bucket",
    "s3ObjectKey", "userIdentity.arn", "@timestamp", "awsregion", "tlsDetails", "resources", "additionalEventData",
    "serviceEventDetails", "QueryResultRows", "ResultSet", "message", "", "a", "é", "eventNam", "eventNamee",
    "eventName ", "readOnly", "sharedEventID", "responseElements",
)  # fmt: skip
_DAYS: Final = (
    "2026-03-02", "2026-02-28", "2026-02-29", "2024-02-29", "2024-02-30", "2000-02-29", "1900-02-29", "2100-02-29",
    "2026-04-31", "2026-01-31", "2026-12-31", "2026-11-31", "2026-00-10", "2026-13-01", "2026-01-00", "2026-01-32",
    "0000-01-01", "0001-01-01", "0002-01-01", "9998-12-31", "9999-12-31", "10000-01-01", "202-01-01", "2026-3-2",
    "20260302", "2026/03/02", "1969-12-31",
)  # fmt: skip
_CLOCKS: Final = (
    "09:00:00", "00:00:00", "23:59:59", "24:00:00", "24:00:01", "23:60:00", "23:59:60", "09:00", "9:00:00", "09:00:0",
    "090000", "09-00-00", "09:00:00.5", "09:00:00.123456789", "09:00:00,5", "09:00:00.", "99:99:99", "",
)  # fmt: skip
_ZONES: Final = (
    "Z", "z", "", "+00:00", "-00:00", "+02:00", "-23:59", "+14:00", "+24:00", "+0200", " UTC", "ZZ", " Z", "Z ",
)  # fmt: skip
_STAMPS: Final = (
    '"1772442000"', "1772442000", "1772442000.5", '"1772442000123"', '""', "null", '"..."', '"2026-03-02"', "[]",
    '"\\n"', '"2026-03-02T09\\u003a00:00Z"', '"2026-03-02T09:00:00Z\\n"', '"2026-03-02T09:00:00\\u005a"',
    '"２０２６-03-02T09:00:00Z"',
)  # fmt: skip


def near_plain_file(dice: random.Random, *, is_whole: bool = False) -> tuple[bytes, int]:
    """The bytes of a file and about how many records they hold; `is_whole` gives them all fields."""
    count = dice.choice((*(1, 1, 1, 1, 2, 2, 3, 4, 40) * 6, 300))
    steps = (0, 0, 1, 1, 2) if count < 5 else (*(0,) * count * 2, 1)  # of many records one is enough
    records = [_record(dice, dice.choice(steps)) for _ in range(count)]
    if is_whole:
        records = [_with_more(dice, one, steps) for one in records]
    if count == 300:
        records = [_varied(dice, one) for one in records]
    blank = dice.choice(("", "", "", " ", "\n", "\r\n", "\t"))
    texts = [_spelled(dice, one, blank) for one in records]
    # U+DC80 to U+DCFF stand for bytes that are no UTF-8; other halves of pairs are not written
    data = bytearray(_framed(dice, texts, blank).encode("utf-8", errors="surrogateescape"))
    if not dice.randrange(12) and data:
        place = dice.randrange(len(data))
        data[place : place + dice.randrange(3)] = dice.choice(
            (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\n", b"\x1f", b"\xff", b"\xc3\xa9", b"7", b"")
        )
    if not dice.randrange(60):
        del data[dice.randrange(len(data) + 1) :]
    return bytes(data), count


def _record(dice: random.Random, steps: int) -> list[Member]:
    name = dice.choice(("DeleteVolume", "AssumeRole", "DescribeVolumes"))
    members = [
        ("eventVersion", '"1.11"'),
        ("userIdentity", dice.choice(_CALLERS)),
        ("eventTime", f'"2026-03-02T09:{dice.randrange(60):02d}:{dice.randrange(60):02d}Z"'),
        ("eventSource", '"sts.amazonaws.com"' if name == "AssumeRole" else '"ec2.amazonaws.com"'),
        ("eventName", f'"{name}"'),
        ("awsRegion", dice.choice(('"eu-west-1"', '"eu-west-1"', '"us-east-1"'))),
        ("requestParameters", dice.choice(_PARAMETERS)),
        ("responseElements", dice.choice(("null", '{"a":"}]}"}'))),
        ("eventID", f'"{dice.getrandbits(64):016x}"'),
        ("eventType", '"AwsApiCall"'),
        ("recipientAccountId", f'"{ACCOUNT}"'),
        ("eventCategory", '"Management"'),
    ]
    if not dice.randrange(5):
        members.insert(dice.randrange(13), ("errorCode", dice.choice(('"AccessDenied"', "null", '""'))))
    for _ in range(steps):
        _step(dice, members)
    if not dice.randrange(4):
        dice.shuffle(members)
    return members


def _with_more(dice: random.Random, members: list[Member], steps: Sequence[int]) -> list[Member]:
    """With the fields that most records have; of one in a few, where steps are taken, one of them is off."""
    more = {name: values[dice.randrange(min(3, len(values)))] for name, values in _MORE.items() if dice.randrange(3)}
    day, off = dice.choice(_LEAPS), dice.choice(steps)
    for name in dice.sample(sorted(more), min(len(more), off)):
        more[name] = dice.choice(_MORE[name] if dice.randrange(8) else _VALUES)
    kept = [(name, value.replace("2026-03-02", day)) for name, value in members if name not in more]
    return [*kept, *more.items()] if dice.randrange(2) else [*more.items(), *kept]


def _varied(dice: random.Random, members: list[Member]) -> list[Member]:
    """Of its own Region, caller and session: more different values than tables have room for when they begin."""
    number = dice.randrange(500)
    own = {
        "awsRegion": f'"r-{number}"',
        "userIdentity": f'{{"type":"AssumedRole","arn":"{_ARN}s-{number}"}}',
        "requestParameters": f'{{"roleSessionName":"s-{number}"}}',
    }
    return [(name, own.get(name, value)) for name, value in members]


def _step(dice: random.Random, members: list[Member]) -> None:
    """One thing is off."""
    place = dice.randrange(len(members))
    name, value = members[place]
    match dice.randrange(10):
        case 0 | 1 | 2:
            members[place] = name, _value(dice, name)
        case 3:
            members[place] = name, dice.choice(_VALUES)
        case 4:
            members[place] = next(one for one in members if one[0] == "eventTime")[0], _time(dice)
        case 5:
            del members[place]
        case 6:  # twice; of two the later one counts
            members.insert(dice.randrange(len(members) + 1), (name, dice.choice((value, _value(dice, name), "null"))))
        case 7:
            members.insert(dice.randrange(len(members) + 1), (dice.choice(_NAMES), dice.choice(_VALUES)))
        case 8:  # large, or deep
            members.insert(dice.randrange(len(members) + 1), (dice.choice(("a", name, "errorCode")), _large(dice)))
        case _:
            members[place] = dice.choice((_escaped(dice, name), f"{name}x", name.upper())), value
    if not any(one == "eventTime" for one, _ in members):
        members.append(("eventTime", _time(dice)))


def _value(dice: random.Random, name: str) -> str:
    match name:
        case "eventTime":
            return _time(dice)
        case "userIdentity":
            return dice.choice(_ODD_CALLERS)
        case "requestParameters":
            return dice.choice(_ODD_PARAMETERS)
        case _:
            return dice.choice(_STRINGS)


def _time(dice: random.Random) -> str:
    if not dice.randrange(6):
        return dice.choice(_STAMPS)
    off = dice.randrange(4)
    day = dice.choice(_DAYS) if off in (0, 3) else "2026-03-02"
    clock = dice.choice(_CLOCKS) if off in (1, 3) else "09:00:00"
    between, zone = dice.choice("TTTTTt ") if off == 2 else "T", dice.choice(_ZONES) if off == 2 else "Z"
    return f'"{day}{between}{clock}{zone}"'


def _large(dice: random.Random) -> str:
    depth = dice.choice((10, 44, 45, 46, 47, 48, 49, 50, 64, 65, 130))
    return dice.choice(
        (
            f'"{"a" * dice.choice((4094, 4095, 4096, 9000))}"',
            "[" * depth + "]" * depth,
            '{"a":' * depth + "1" + "}" * depth,
            '{"a":[' * (depth // 2) + "]}" * (depth // 2),
            "[" * depth + "]" * (depth - 1),
            '{"a":' + "[" * depth + "]" * (depth + 1),
        )
    )


def _escaped(dice: random.Random, text: str) -> str:
    place = dice.randrange(len(text)) if text else 0
    return f"{text[:place]}\\u{ord(text[place]):04x}{text[place + 1 :]}" if text else ""


def _spelled(dice: random.Random, members: list[Member], blank: str) -> str:
    ends = "," if not dice.randrange(80) else ""
    return "{" + f",{blank}".join(f'"{name}"{blank}:{blank}{value}' for name, value in members) + f"{ends}{blank}}}"


def _framed(dice: random.Random, texts: list[str], blank: str) -> str:
    if not dice.randrange(30):
        texts[dice.randrange(len(texts))] = dice.choice(("[]", "{}", "null", "1", '"x"', "[{}]", f"[{texts[0]}]", ""))
    many = f"{blank},{blank}".join(texts)
    match dice.randrange(8):
        case 0 | 1:
            ends = dice.choice((*("\n", "\r\n") * 3, "\n\n", "\n \n", "\r", "", " ", ",\n", "\n\0", "\n\t"))
            return ends.join(texts) + dice.choice(("", "\n", ends, "\r", "\n\n", " ", "\0"))
        case 2 | 3:
            return f"[{blank}{many}{blank}]{blank}"
        case 4 | 5 | 6:
            return f'{{{blank}"Records"{blank}:{blank}[{blank}{many}{blank}]{blank}}}{blank}'
        case _:
            return dice.choice(_FRAMES).replace("@", many)


_FRAMES: Final = (
    '\ufeff{"Records":[@]}', ' {"Records":[@]}', "\n[@]", '{"Records":[@]} x', '{"Records":[@]}{}',
    '{"Records":[@]}\0', "[@]]", '{"Records":[@],}', '{"Records":[@,]}', "[,@]", "[@,]", '{"Records":[@],"x":1}',
    '{"x":1,"Records":[@]}', '{"Records":[@]', '{"Records":[],"Records":[@]}', '{"Records":[@],"Records":[]}',
    '{"Records":[@],"Records":[@]}', '{"records":[@]}', '{"Rec\\u006frds":[@]}', '{"Records":{"a":[@]}}',
    '{"Records":[[@]]}', '{"Records":"@"}', '{"Records":@}', '{"Records":[@]}\n{"Records":[@]}', "[@]\n[@]",
    '{"Records":[@]}\n\n', '\n{"Records":[@]}', "@@", "@ @", "@,@", '{"Records":null}', "[]", "{}", '{"Records":[]}',
    "", '{"Records":[@]}\r\n', '{"Records" [@]}', '{"Records":[@}', '{"Records":[{@}]}', '"@"', '{"Events":[@]}',
)  # fmt: skip
