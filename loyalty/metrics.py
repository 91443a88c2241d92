"""What this room adds to the metrics that Regulars computes: how many rewards were redeemed."""

from datetime import datetime

from django.utils.translation import gettext_lazy

from contacts.metric_recipes import Recipe, Statement, register_recipe
from contacts.orders import Orders

KEY = "rewards_redeemed"


def register() -> None:
    """Have it computed with the others. May be called again."""
    register_recipe(
        KEY,
        Recipe(
            "Rewards redeemed",
            "How many rewards the contact took, and how often he paid with a gift card; 0 without.",
            gettext_lazy(
                "The rewards that were claimed and not revoked since, and the redemptions of gift"
                " cards that were not rolled back. Contacts without any have 0."
            ),
            _rewards_redeemed,
            _turned,
        ),
    )


def _rewards_redeemed(of: Orders, as_of: datetime) -> Statement:
    # Of an order that several cards paid each card counts, and not their parent.
    statement = """
SELECT c.id AS contact_id, coalesce(r.number, 0)::numeric AS number
FROM contacts_contact c LEFT JOIN (
  SELECT contact_id, count(*) AS number FROM (
    SELECT k.contact_id FROM loyalty_claim k
    JOIN loyalty_mechanism m ON m.id = k.mechanism_id AND m.kind = 'reward'
    WHERE k.state <> 'revoked' AND k.at <= %s
    UNION ALL
    SELECT contact_id FROM loyalty_redemption
    WHERE contact_id IS NOT NULL AND voucher_id IS NOT NULL AND state = 'succeeded' AND at <= %s
  ) taken GROUP BY contact_id) r ON r.contact_id = c.id
WHERE c.erased_at IS NULL"""
    return statement, [as_of, as_of]


def _turned(since: datetime, until: datetime) -> Statement:
    # What was taken or paid between both instants counts at the later one only.
    statement = """
SELECT contact_id FROM loyalty_claim WHERE at > %s AND at <= %s
UNION SELECT contact_id FROM loyalty_redemption
WHERE contact_id IS NOT NULL AND at > %s AND at <= %s"""
    between = sorted((since, until))
    return statement, [*between, *between]
