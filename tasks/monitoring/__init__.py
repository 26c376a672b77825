"""Step 8, monitoring: a champion held against what it is asked and what came true."""
