"""The canonical event: one CloudTrail record as one flat row.

Column names are CloudTrail's own in snake_case (*AWS CloudTrail User Guide*, "CloudTrail record contents", read on
2026-11-24). `request_parameters`, `response_elements`, `resources` and the like stay JSON text: their shape belongs to
each service. The whole record is kept in `raw`, exactly as received.
"""

from typing import Final

import pyarrow as pa

_UTC = pa.timestamp("us", tz="UTC")

#: name -> (type, meaning). The order is the order of columns everywhere.
EVENT_COLUMNS: Final[dict[str, tuple[pa.DataType, str]]] = {
    "event_id": (pa.string(), "eventID; a digest of the record where the record has none"),
    "event_time": (_UTC, "eventTime, UTC; CloudTrail gives whole seconds"),
    "event_source": (pa.string(), "eventSource, e.g. ec2.amazonaws.com"),
    "event_name": (pa.string(), "eventName, e.g. DeleteVolume"),
    "aws_region": (pa.string(), "awsRegion"),
    "account_id": (pa.string(), "recipientAccountId; before eventVersion 1.02 userIdentity.accountId"),
    "error_code": (pa.string(), "errorCode; present means the call changed nothing"),
    "error_message": (pa.string(), "errorMessage, cut by AWS at 1 KB"),
    "session_name": (pa.string(), "who acted: the last part of an assumed-role ARN in userIdentity.arn"),
    "requested_session_name": (pa.string(), "requestParameters.roleSessionName of an AssumeRole call"),
    "session_issuer_arn": (
        pa.string(),
        "userIdentity.sessionContext.sessionIssuer.arn: the role behind the session, with path",
    ),
    "session_issuer_id": (pa.string(), "userIdentity.sessionContext.sessionIssuer.principalId (AROA...)"),
    "session_created_at": (_UTC, "userIdentity.sessionContext.attributes.creationDate"),
    "target_role_arn": (pa.string(), "requestParameters.roleArn of an AssumeRole call, or the role in its resources"),
    "invoked_by": (pa.string(), "userIdentity.invokedBy: the AWS service that made the call"),
    "source_ip_address": (pa.string(), "sourceIPAddress; a host name when a service called"),
    "user_agent": (pa.string(), "userAgent, cut by AWS at 1 KB"),
    "identity_type": (pa.string(), "userIdentity.type"),
    "identity_arn": (pa.string(), "userIdentity.arn"),
    "identity_account_id": (pa.string(), "userIdentity.accountId"),
    "principal_id": (pa.string(), "userIdentity.principalId"),
    "user_name": (pa.string(), "userIdentity.userName"),
    "access_key_id": (pa.string(), "userIdentity.accessKeyId; absent when a service acts for you"),
    "has_tls_details": (pa.bool_(), "true when tlsDetails is there; absent when a service called on your behalf"),
    "read_only": (pa.bool_(), "readOnly"),
    "management_event": (pa.bool_(), "managementEvent"),
    "event_type": (pa.string(), "eventType"),
    "event_category": (pa.string(), "eventCategory"),
    "event_version": (pa.string(), "eventVersion"),
    "request_id": (pa.string(), "requestID"),
    "shared_event_id": (pa.string(), "sharedEventID: joins the copies of one action in several accounts"),
    "request_parameters": (pa.string(), "requestParameters as JSON text"),
    "response_elements": (pa.string(), "responseElements as JSON text, credentials taken out"),
    "additional_event_data": (pa.string(), "additionalEventData as JSON text"),
    "service_event_details": (pa.string(), "serviceEventDetails as JSON text"),
    "resources": (pa.string(), "resources as JSON text"),
    "source": (pa.string(), "where the record was read: a path, object or API page"),
    "position": (pa.int64(), "the record's place in its source, counted from 0"),
    "raw": (pa.string(), "the record as received, JSON text; may hold session tokens, so it never leaves by itself"),
}

EVENT_SCHEMA: Final[pa.Schema] = pa.schema(
    [pa.field(name, kind, metadata={"doc": doc}) for name, (kind, doc) in EVENT_COLUMNS.items()]
)
