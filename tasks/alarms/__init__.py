"""Drift alarms: when a distribution has moved so far that somebody is told."""
