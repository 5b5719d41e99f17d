"""Roles over time, each step on the one before.

changes → states → replay → abilities → losses → outages → history → tables
"""
