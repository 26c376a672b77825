"""`perennial init`: a first definition for data that nobody has described."""
