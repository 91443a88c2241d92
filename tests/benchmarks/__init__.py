"""Our speed beside DuckDB's and chdb's, on the same data in the same run: `make bench`."""
