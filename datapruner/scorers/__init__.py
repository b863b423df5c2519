"""Scorers: Items in, Scores out; one method, one file."""
