"""Bytes under one root: a folder or an S3 bucket."""
