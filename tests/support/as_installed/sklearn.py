"""Stands before scikit-learn in the processes that tests start: users have none, LightGBM asks."""

raise ImportError("scikit-learn is what tests compare with, and no part of an installation")
