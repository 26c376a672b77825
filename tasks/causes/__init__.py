"""Root causes: since when data looks broken, in which rows, and what maps old values onto new."""
