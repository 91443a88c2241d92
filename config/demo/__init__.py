"""The demo workspace: five thousand invented customers of an invented coffee roaster.

It stands on the top floor, because it tells one story through every room of the house. All of it
is marked as demo data and can be removed again. The same for the same instant, except passwords.
"""
