"""One file per place where CloudTrail evidence lies."""
