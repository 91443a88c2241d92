from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from loyalty import facts


class LoyaltyConfig(AppConfig):
    """Members, points, rewards."""

    name = "loyalty"
    verbose_name = _("Loyalty")

    def ready(self) -> None:
        # Models can be imported only now.
        from contacts.extensions import register_eraser, register_merger, register_part
        from loyalty import members, merging, metrics, timeline
        from loyalty.distribution import distribution_links
        from loyalty.gift_cards import campaign_links, cards
        from loyalty.guarding import suspects, watching
        from loyalty.programme import earn_rules, earning, points_timeline
        from loyalty.rewards import mechanism_links
        from loyalty.validation_rules import rule_uses
        from loyalty.wallets import wallet
        from workspace import checkup, rounds

        facts.register()
        metrics.register()
        timeline.register()
        points_timeline.register()
        earning.register()
        earn_rules.register()
        register_part("loyalty", members.describe_memberships)
        register_eraser("loyalty", members.forget_members)
        register_merger("loyalty", merging.merge_members)
        register_eraser("suspicions", suspects.forget)
        register_merger("suspicions", suspects.merge)
        checkup.register("suspicions", suspects.examine)
        rounds.register_round(
            "watch", watching.watch, channel=watching.CHANNEL, every=watching.EVERY, place=80
        )
        campaign_links.register()
        cards.register()
        distribution_links.register()
        mechanism_links.register()
        rule_uses.register()
        register_eraser("wallets", wallet.forget)
