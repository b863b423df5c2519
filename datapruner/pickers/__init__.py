"""Pickers: the order in which rows are offered to the ledger."""
