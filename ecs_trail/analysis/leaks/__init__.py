"""Leaked volumes: prices, and the inventory made from evidence and saved volume states."""
