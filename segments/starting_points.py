"""What a new segment may begin with: ready templates, saved criteria, another segment.

A template asks for what most shops ask, in the words of this workspace: its order event, the
names its events have, the keys its consents and tags have. What it needs and the workspace lacks
is told instead, so that a template that is offered always works.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.orders import orders
from segments import facts
from segments.criteria import Catalog
from segments.errors import CriteriaRefused
from workspace.access import Actor

_Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A ready segment. `write` makes its criteria, in the words of a workspace."""

    key: str
    icon: str
    title: str | Promise
    description: str | Promise
    write: Callable[["Words"], _Document]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a template asks about and the workspace has not defined.

    `kind` is "tag", "consent" or "metric"; empty where it is none of these.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A template as one workspace can use it.

    `sentence` says its criteria in words. Where something is missing, `needs` says what, and the
    template cannot be used until that is defined.
    """

    key: str
    icon: str
    title: str
    description: str
    criteria: _Document
    sentence: str
    needs: tuple[Need, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether a segment can begin with it now."""
        return not self.needs


@dataclass(slots=True)
class Words:
    """What a workspace calls the things that templates ask about.

    Where it has nothing of a kind, the usual name stands for it and is noted in `missing`; names
    of events are never missing, since any may be asked about before the first one comes.
    """

    catalog: Catalog
    order: str
    missing: list[Need] = field(default_factory=list)

    def event(self, *usual: str) -> str:
        """The first of these names that the workspace has seen, in any spelling; else the first."""
        known = {_plain(name): name for name in self.catalog.events}
        found = next((known[_plain(name)] for name in usual if _plain(name) in known), None)
        return found or usual[0]

    def consent(self, *usual: str) -> str:
        """The consent to messages: one called so, else any, else missing."""
        names = {_plain(key): key for key in self.catalog.consents}
        found = next((names[_plain(key)] for key in usual if _plain(key) in names), None)
        found = found or next(iter(self.catalog.consents), None)
        if found is None:
            words = {"key": usual[0]}
            self.missing.append(Need(_("a consent, for example “%(key)s”") % words, "consent"))
        return found or usual[0]

    def tag(self, *usual: str) -> str:
        """The tag that is called so; any other would mean something else."""
        known = {_plain(key): key for key in self.catalog.tags}
        found = next((known[_plain(key)] for key in usual if _plain(key) in known), None)
        if found is None:
            self.missing.append(Need(_("the tag “%(key)s”") % {"key": usual[0]}, "tag"))
        return found or usual[0]

    def metric(self, key: str) -> str:
        """A metric of this key."""
        if key not in self.catalog.metrics:
            self.missing.append(Need(_("the metric “%(key)s”") % {"key": key}, "metric"))
        return f"metric.{key}"


def templates_for(actor: Actor, *, catalog: Catalog | None = None) -> list[StartingPoint]:
    """All templates, in the words of the workspace and the language of the reader."""
    catalog = catalog or facts.catalog_for(actor)
    order = orders().event_name
    return [_written(template, catalog, order, actor) for template in TEMPLATES]


def find_template(key: str, *, actor: Actor) -> StartingPoint | None:
    """The template of this key, if there is one and it can be used now."""
    wanted = [template for template in TEMPLATES if template.key == key]
    if not wanted:
        return None
    found = _written(wanted[0], facts.catalog_for(actor), orders().event_name, actor)
    return found if found.is_ready else None


def _written(template: Template, catalog: Catalog, order: str, actor: Actor) -> StartingPoint:
    words = Words(catalog, order)
    document = template.write(words)
    sentence, needs = "", tuple(words.missing)
    if not needs:
        try:
            sentence = facts.explain(facts.parse_criteria(document, actor, catalog=catalog))
        except CriteriaRefused as refused:
            needs = tuple(Need(problem.message) for problem in refused.criteria_problems)
    return StartingPoint(
        key=template.key,
        icon=template.icon,
        title=str(template.title),
        description=str(template.description),
        criteria=document,
        sentence=sentence,
        needs=needs,
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


# --- The pieces that documents are made of -------------------------------------------------------


def _all(*rules: _Document) -> _Document:
    return {"combinator": "and", "rules": list(rules)}


def _rule(name: str, operator: str, value: Any = None) -> _Document:
    rule = {"field": name, "operator": operator}
    return rule if value is None else {**rule, "value": value}


def _lasting(amount: int, unit: str = "day") -> _Document:
    return {"amount": amount, "unit": unit}


def _did(event: str, *, at_least: int = 1, within: _Document | None = None) -> _Document:
    rule = {
        "field": f"event.{event}",
        "measure": {"function": "count"},
        "operator": ">=",
        "value": at_least,
    }
    if within is not None:
        rule["where"] = _all(_rule("occurred_at", "inLast", within))
    return rule


def _never(event: str, *, within: _Document | None = None) -> _Document:
    return {**_did(event, within=within), "operator": "=", "value": 0}


def _last(event: str, operator: str, lasting: _Document) -> _Document:
    measure = {"function": "last"}
    return {"field": f"event.{event}", "measure": measure, "operator": operator, "value": lasting}


def _cart(words: Words) -> str:
    return words.event(
        "cart_updated", "Product Added", "add_to_cart", "cart_add", "checkout_started"
    )


def _abandoned(words: Words) -> _Document:
    steps = [
        {"event": _cart(words)},
        {"event": words.order, "within": _lasting(2), "not": True},
    ]
    lately = _did(_cart(words), within=_lasting(14))
    return _all(
        {"field": "sequence", "steps": steps}, lately, _never(words.order, within=_lasting(14))
    )


def _opened(words: Words) -> _Document:
    month = _lasting(30)
    opened = words.event("email_opened", "Email Opened", "message_opened", "push_opened")
    clicked = words.event("email_clicked", "Email Link Clicked", "message_clicked")
    return _all(_did(opened, within=month), _never(clicked, within=month))


def _vip(words: Words) -> _Document:
    vip = _rule("tag", "in", [words.tag("vip")])
    return _all(vip, _never(words.order, within=_lasting(90)))


def _welcome(words: Words) -> _Document:
    return _all(
        _rule("contact.created_at", "inLast", _lasting(30)),
        _did(words.event("page_visit", "page_view", "Page Viewed", "session_started")),
        _never(words.order),
    )


TEMPLATES: tuple[Template, ...] = (
    Template(
        "new_customers",
        "person_add",
        gettext_lazy("New customers of this month"),
        gettext_lazy("Their first order was in the last month: welcome them while it is fresh."),
        lambda words: _all(
            {
                "field": f"event.{words.order}",
                "measure": {"function": "first"},
                "operator": "inLast",
                "value": _lasting(1, "month"),
            }
        ),
    ),
    Template(
        "lapsing_buyers",
        "trending_down",
        gettext_lazy("Lapsing buyers"),
        gettext_lazy("Bought more than once, and not for three months: win them back in time."),
        lambda words: _all(
            _did(words.order, at_least=2),
            _last(words.order, "notInLast", _lasting(90)),
            _last(words.order, "inLast", _lasting(365)),
        ),
    ),
    Template(
        "big_spenders",
        "diamond",
        gettext_lazy("Big spenders"),
        gettext_lazy("The tenth of your customers who spent the most in their lifetime."),
        lambda words: _all(_rule(words.metric("lifetime_value_percentile"), ">=", 90)),
    ),
    Template(
        "birthdays",
        "cake",
        gettext_lazy("Birthday next week"),
        gettext_lazy("Celebrate within the next seven days: a reason to write that pleases."),
        lambda words: _all(_rule("contact.birth_date", "anniversaryInNext", _lasting(7))),
    ),
    Template(
        "abandoned_cart",
        "remove_shopping_cart",
        gettext_lazy("Abandoned cart"),
        gettext_lazy("Put something into the cart and did not buy within two days."),
        _abandoned,
    ),
    Template(
        "never_bought",
        "hourglass_empty",
        gettext_lazy("Never bought"),
        gettext_lazy("You have known them for a month or more, and they have not ordered yet."),
        lambda words: _all(
            _never(words.order), _rule("contact.created_at", "notInLast", _lasting(30))
        ),
    ),
    Template(
        "opened_not_clicked",
        "mark_email_read",
        gettext_lazy("Opened, but did not click"),
        gettext_lazy("Read your messages in the last month, and followed none of their links."),
        _opened,
    ),
    Template(
        "consent_missing",
        "unsubscribe",
        gettext_lazy("Consent missing"),
        gettext_lazy("Can be reached by e-mail, but never said whether you may write to them."),
        lambda words: _all(
            _rule(f"consent.{words.consent('newsletter', 'email', 'marketing')}", "=", "unknown"),
            _rule("contact.email", "notNull"),
        ),
    ),
    Template(
        "repeat_buyers",
        "repeat",
        gettext_lazy("Bought at least three times"),
        gettext_lazy("Three orders or more in the last year: the customers you live from."),
        lambda words: _all(_did(words.order, at_least=3, within=_lasting(1, "year"))),
    ),
    Template(
        "hot_leads",
        "local_fire_department",
        gettext_lazy("High lead score"),
        gettext_lazy("A lead score over 50 and no order yet: ready to be talked to."),
        lambda words: _all(_rule("contact.lead_score", ">", 50), _never(words.order)),
    ),
    Template(
        "recently_active",
        "bolt",
        gettext_lazy("Recently active"),
        gettext_lazy("Did anything at all in the last seven days."),
        lambda words: _all(_rule("contact.last_seen_at", "inLast", _lasting(7))),
    ),
    Template(
        "lost_customers",
        "heart_broken",
        gettext_lazy("Lost customers"),
        gettext_lazy("Bought once upon a time, and nothing in the last year."),
        lambda words: _all(_did(words.order), _last(words.order, "notInLast", _lasting(1, "year"))),
    ),
    Template(
        "quiet_vips",
        "workspace_premium",
        gettext_lazy("VIPs without an order"),
        gettext_lazy("Tagged as VIP, and no order for three months."),
        _vip,
    ),
    Template(
        "first_order_due",
        "waving_hand",
        gettext_lazy("Looked around, first order due"),
        gettext_lazy("New in the last month, visited your pages, did not order yet."),
        _welcome,
    ),
    Template(
        "one_time_buyers",
        "looks_one",
        gettext_lazy("Bought exactly once"),
        gettext_lazy("One order and no more: the second one makes a customer."),
        lambda words: _all({**_did(words.order), "operator": "=", "value": 1}),
    ),
    Template(
        "frequent_buyers",
        "shopping_bag",
        gettext_lazy("Frequent buyers of the month"),
        gettext_lazy("At least two orders in the last thirty days, by the metric."),
        lambda words: _all(_rule(words.metric("order_count_30d"), ">=", 2)),
    ),
)
