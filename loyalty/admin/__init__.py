"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import on_contacts

__all__ = ["on_contacts"]
