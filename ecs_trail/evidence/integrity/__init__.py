"""CloudTrail's own proof of its log files: digests, their signatures, the chain they form, and the log files they name.

*AWS CloudTrail User Guide*, "Validating CloudTrail log file integrity", "CloudTrail digest file structure" and "Custom
implementations of CloudTrail log file integrity validation", read on 2026-11-24.
"""
