"""Where raw data comes from: files, PostgreSQL, and the query over them."""
