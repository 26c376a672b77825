"""Step 1, extraction: one immutable snapshot of what was known as of a time."""
