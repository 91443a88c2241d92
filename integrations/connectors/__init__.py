"""The ways out: one room for each kind of other side. Nothing outside names what is in them."""
