"""Tell whether an SQL query works row by row, so that its table can be read in parts.

Responsible for that judgement, by the words of the query alone. It is conservative: a query with a
word that it does not know is not called row-wise.
"""

import re

_NO_CODE = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_QUOTED_TABLE = re.compile(r"\b(from|join)\s+\"(\w+)\"", re.IGNORECASE)
_TABLE_WISE = {  # words by which SQL looks at more than one row, or at a table once more
    *("group", "having", "distinct", "order", "limit", "offset", "fetch", "top", "qualify"),
    *("over", "window", "partition", "with", "union", "intersect", "except", "values", "exists"),
    *("right", "full", "cross", "natural", "semi", "anti", "asof", "lateral", "unnest", "sample"),
}
_ROW_WISE = {  # what may stand before a bracket
    *("select", "from", "join", "on", "where", "and", "or", "not", "in", "between", "like"),
    *("when", "then", "else", "as", "cast", "try_cast", "coalesce", "nullif", "if"),
    *("abs", "ceil", "floor", "round", "sqrt", "exp", "ln", "log", "log10", "mod", "pow", "sign"),
    *("greatest", "least", "concat", "lower", "upper", "trim", "ltrim", "rtrim", "replace"),
    *("length", "substr", "left", "starts_with", "strptime", "strftime", "date_part"),
}


def first_table(query: str) -> str:
    """Name the table after FROM if a query is row-wise in it; else an empty string.

    >>> first_table("SELECT a, b + 1 AS c FROM orders WHERE b > 0")
    'orders'
    >>> first_table("SELECT sum(b) FROM orders")
    ''
    """
    code = _NO_CODE.sub(lambda found: "''" if found[0][0] in "'\"" else " ", query)
    words = re.findall(r"[a-z_]\w*", code.lower())
    calls = re.findall(r"\b([a-z_]\w*)\s*\(", code.lower())
    tables = re.findall(r"\b(?:from|join)\s+(\w+)", code, re.IGNORECASE)
    listed = re.split(r"\bwhere\b", re.split(r"\bfrom\b", code.lower())[-1])[0]
    sure = (
        not _TABLE_WISE & set(words)
        and set(calls) <= _ROW_WISE
        and words.count("select") == words.count("from") == 1
        and len(tables) == 1 + words.count("join")
        and tables.count(tables[0]) == 1
        and "," not in re.sub(r"\([^()]*\)", "", listed)
    )
    return tables[0] if sure else ""


def only_table(query: str) -> str:
    """Name the one table that a row-wise query without joins reads; else an empty string."""
    bare = _QUOTED_TABLE.sub(r"\1 \2", query)
    code = _NO_CODE.sub(" ", bare)
    return "" if re.search(r"\bjoin\b", code, re.IGNORECASE) else first_table(bare)
