"""Step 3, preparation: labels, the split by time, and numbered rows."""
