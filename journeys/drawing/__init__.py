"""The drawing of a journey: what people edit, checked and made into a plan. Pure: no Django."""
