"""One transformation for training and serving, and the feature tables that it joins."""
