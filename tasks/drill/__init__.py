"""Faults made on purpose, and which guard catches each."""
