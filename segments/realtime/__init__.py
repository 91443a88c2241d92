"""Membership that moves at once: who is touched, or turned by time, is asked anew by itself.

`following` takes the touches of contacts, `clock` what time alone turned, both through `moving`,
which evaluates a few contacts for many segments in one statement and writes the difference.
`state` says which segments follow and how far, `documents` what these ask; `heartbeat` keeps their
history and readiness, `audit` compares each night with a full evaluation. See docs/realtime.md.
"""
