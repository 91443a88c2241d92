"""Gift cards for programs written for Voucherify: /v1/ and, with publishable keys, /client/v1/.

A module for each resource translates: it reads Voucherify's body, calls one verb of this room, and
writes Voucherify's answer. Unknown keys of a body are passed over, as there.
*Source:* Voucherify, API reference of version v2018-08-01.
"""
