"""Dotdigital: metrics as Insight data, segments, lists. README.md tells of the vendor's side."""
