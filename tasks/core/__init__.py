"""What every step shares: the definition, errors, checks, SQL expressions and types."""
