"""SAP Emarsys: its segments, and who is in them."""
