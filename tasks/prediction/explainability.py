"""Which models LightGBM can explain: of some its contributions are wrong, of some there are none.

Responsible for telling them apart by the model's text. Not responsible for contributions.
"""


def find_unexplained(text: str) -> str:
    r"""Say why a model, given as LightGBM's text, cannot be explained; empty where it can.

    >>> find_unexplained("tree\naverage_output\n\nTree=0\nis_linear=0\n")
    "its trees are averaged (boosting = 'rf'), and LightGBM adds their contributions up"
    """
    head, _, trees = text.partition("\nTree=")
    if "\naverage_output\n" in head:
        return "its trees are averaged (boosting = 'rf'), and LightGBM adds their contributions up"
    if "\nis_linear=1\n" in trees:
        return "LightGBM explains no linear trees (linear_tree = true)"
    return ""
