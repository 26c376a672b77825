"""Snapshots, versions and decisions: what was published, and who decided what."""
