"""A first definition, from data that nobody has described."""
