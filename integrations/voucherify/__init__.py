"""What programs written for Voucherify share: the entry, callers, errors, ids, customers, events.

Bodies, answers and errors are Voucherify's. Unlike Segment's libraries these programs wait for what
became of a call, so a call is used at once, in one transaction with its line in the log. The
addresses are upstairs, in `loyalty.voucherify`: they are about gift cards, too.
"""
