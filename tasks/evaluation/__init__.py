"""Step 5, evaluation: metrics and their uncertainty on the holdout."""
