"""What gift cards brought and cost: read-only, straight from the tables, as of an instant.

`figures` has the numbers of campaigns, `liability` what is owed to holders month by month,
`attribution` the way from what earned a card to the next order, beside contacts set aside.
"""
