"""The way in for events: calls of Segment's libraries, and the webhooks that Segment sends.

What is checked here is the form, who sends it, and how much. Whether an event can be used is
decided when it is digested: a 200 says only that it is safe on disk.
"""
