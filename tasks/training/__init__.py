"""Step 4, training: LightGBM models, their parameters and their data."""
