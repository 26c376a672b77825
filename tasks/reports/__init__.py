"""Pages, charts and tables for people."""
