"""Words that messages have in common.

Not responsible for names that come near a wrong one, nor for what is harmless to print (`errors`).
"""

from collections.abc import Sequence


def list_few(words: Sequence[str], most: int = 4, between: str = ", ") -> str:
    """List the first words, and say how many more there are.

    >>> list_few(["a", "b", "c", "d", "e"])
    'a, b, c, d and 1 more'
    >>> list_few(["a", "b", "c"], 1, "; ")
    'a; and 2 more'
    """
    shown, left = between.join(words[:most]), len(words) - most
    return f"{shown}{between.rstrip(', ')} and {left} more" if left > 0 else shown
