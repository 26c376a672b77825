"""A report tells the share of rows below each quantile, and its loss."""

from pathlib import Path

from quantiles import make_quantiles


def test_report_tells_each_quantile(tmp_path: Path) -> None:
    folder = make_quantiles(tmp_path, training="threads = 1\nrounds = 30\nfolds = 2")
    page, short = ((folder / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "Rows below it" in page
    assert "Below 0.9" in page
    assert "Errors are of the middle quantile" in page
    assert "rows lie below the 0.1 quantile" in short
    assert "The shares of rows below its quantiles are off by" in short
    assert "| Pinball loss ↓ |" in short
    assert "over 2 folds in time, pinball\\_loss is" in short.lower()
