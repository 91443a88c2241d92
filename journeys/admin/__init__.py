"""The screens of this room, one file for each; importing them registers them."""

__all__: list[str] = []
