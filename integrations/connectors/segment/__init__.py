"""Twilio Segment, as a way out: facts become track calls, memberships traits."""
