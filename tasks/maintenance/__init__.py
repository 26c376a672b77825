"""A version reproduced, and an installation examined."""
