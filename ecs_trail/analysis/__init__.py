"""Frames to frames: what happened, judged without disk, network or clock."""
