"""A Dask cluster, where one is named."""
