"""List prices in US dollars, us-east-1, as known on 2026-11-24 and not read from a page that day; other Regions differ.

*Amazon S3 pricing* (S3 Standard; within a Region data transfer costs nothing), *Amazon Athena pricing*, *AWS CloudTrail
pricing*, *Amazon EC2 On-Demand pricing* and *Amazon EMR pricing* (EMR Serverless, x86).
"""

from typing import Final

AS_KNOWN_ON: Final = "2026-11-24"

S3_LIST: Final = 0.005 / 1000
S3_GET: Final = 0.0004 / 1000
#: For each TB (2^40 bytes) that a query scans.
ATHENA_TB: Final = 5.0
#: For each GB (2^30 bytes) that a query of CloudTrail Lake scans.
LAKE_GB: Final = 0.005
#: A virtual processor for an hour: of EC2 (c7i, with its memory), and of EMR Serverless.
EC2_VCPU_HOUR: Final = 0.0446
EMR_VCPU_HOUR: Final = 0.052624
EMR_GB_HOUR: Final = 0.0057785
