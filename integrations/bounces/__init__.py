"""E-mails that came back: which of ours it was, whose address, and what follows from it."""
