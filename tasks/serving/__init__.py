"""Step 7, serving: an approved version becomes a proven bento."""
