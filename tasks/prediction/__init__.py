"""Batch prediction: the champion over a whole table."""
