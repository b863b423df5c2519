"""HTML pages as trees of blocks: parsed, cleaned, scored, and cut to a budget."""
