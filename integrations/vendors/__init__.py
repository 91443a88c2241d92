"""External authorizations: accounts at vendors' systems, and what is synchronized with them."""
