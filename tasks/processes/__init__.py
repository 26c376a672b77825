"""What runs as a process and is kept running."""
