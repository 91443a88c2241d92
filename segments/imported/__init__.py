"""Segments of other systems as segments of ours: chosen once, synchronized daily."""
