"""Roles over time: changes → states → replay → abilities → losses → outages → history → tables, each on the one before."""
