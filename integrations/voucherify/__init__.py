"""The way in for programs written for Voucherify: customers and custom events, at /v1/.

Bodies, answers and errors are Voucherify's. Unlike Segment's libraries these programs wait for
what became of a call, so a call is used at once, in one transaction with its line in the log.
"""
