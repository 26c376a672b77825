"""What changed between two versions of a model, and what that changes in its answers."""
