"""Local servers that behave like the vendors' systems, quirks included.

With them one tries the product without accounts (`manage.py sandbox`); tests start the same ones.

*Source:* the vendors' public documentation, as far as the connectors' README files tell of it.
"""
