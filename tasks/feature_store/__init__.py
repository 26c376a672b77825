"""Feature values that a service looks up."""
