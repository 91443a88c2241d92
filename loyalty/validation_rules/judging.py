"""Whether validation rules let contacts through, and what whom they refuse is told.

What cannot be known yet is neither true nor false. When a card is given there is no order and no
redemption: nobody is refused then for what only the till can know. When a card pays, what is not
known (no customer was named, no order was sent) lets nobody through.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import overload

from django.utils.translation import gettext as _

from loyalty.errors import RuleInvalid
from loyalty.models import ValidationRule, Voucher
from loyalty.validation_rules.rule_documents import (
    Conditions,
    read_document,
    rules_with_paths,
    segments_out_of_use,
)
from loyalty.validation_rules.rule_facts import (
    Order,
    Use,
    listed_holds,
    order_value,
    passes,
    passes_of_day,
    time_value,
    used,
)
from loyalty.validation_rules.rule_fields import (
    BUDGETS,
    HOLDER,
    LISTED,
    TIME_OF_DAY,
    Scope,
    with_own,
)
from segments import facts
from segments.criteria import Criteria, compile_members
from segments.criteria.references import rules_of
from segments.criteria.syntax import EventRule, FieldRule, Group, Node, Rule
from segments.documents import named_segments
from workspace import sql
from workspace.access import SYSTEM

# Stands for the customer whom nobody named.
NOBODY = 0
_FEW = 100


class Purpose(StrEnum):
    """For what a rule is asked: a card is given, would it pay, it pays."""

    PUBLICATION = "publication"
    VALIDATION = "validation"
    REDEMPTION = "redemption"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a rule says no. `key` is Voucherify's; `custom` the shop's own message, '' without one.

    `message` is what to tell: the shop's own, else a sentence of ours. `path` is the place in the
    rule's document that refused; of a rule that cannot be asked it is empty.
    """

    key: str
    message: str
    rule: ValidationRule
    custom: str = ""
    path: str = ""


@overload
def judge(
    rules: Iterable[ValidationRule],
    *,
    contact_id: int | None = ...,
    order: Order | None = ...,
    voucher: Voucher | None = ...,
    at: datetime,
    purpose: Purpose | str = ...,
    amount_minor: int = ...,
    others: Sequence[Use] = ...,
) -> Refusal | None: ...


@overload
def judge(
    rules: Iterable[ValidationRule],
    *,
    contact_ids: Collection[int],
    order: Order | None = ...,
    voucher: Voucher | None = ...,
    at: datetime,
    purpose: Purpose | str = ...,
    amount_minor: int = ...,
    others: Sequence[Use] = ...,
) -> dict[int, Refusal]: ...


def judge(
    rules: Iterable[ValidationRule],
    *,
    contact_id: int | None = None,
    contact_ids: Collection[int] | None = None,
    order: Order | None = None,
    voucher: Voucher | None = None,
    at: datetime,
    purpose: Purpose | str = Purpose.REDEMPTION,
    amount_minor: int = 0,
    others: Sequence[Use] = (),
) -> Refusal | dict[int, Refusal] | None:
    """What the rules refuse: of many contacts those refused, of one the refusal or None.

    All rules must let a contact through; the first that does not is told. `amount_minor` is what
    the card is to pay now, and `others` are redemptions of the same order that are decided but
    not written: both count for budgets. For a redemption rules with budgets are locked until the
    transaction ends, so that a budget holds however many redeem at once; who asks for several
    vouchers locks all rules first, with `lock_budgets`. Queries do not grow with the contacts.
    """
    asked = list(rules)
    everyone = frozenset([contact_id or NOBODY] if contact_ids is None else contact_ids)
    purpose = Purpose(purpose)
    if purpose is Purpose.REDEMPTION:
        lock_budgets(asked)
    found: dict[int, Refusal] = {}
    if asked and everyone:
        catalog = with_own(facts.catalog_for(SYSTEM))
        for rule in asked:
            # A frozen set: less the keys of a dictionary it would be one that can be changed.
            left = everyone.difference(found)
            if not left:
                break
            try:
                conditions = read_document(rule.document, catalog)
            except RuleInvalid:
                found.update(dict.fromkeys(left, _unaskable(rule)))
                continue
            if named_segments(rule.document) and segments_out_of_use(rule.document):
                found.update(dict.fromkeys(left, _unaskable(rule)))
                continue
            case = _Case(conditions, left, order, voucher, at, purpose, amount_minor, others)
            found.update(case.refused(rule))
    return found if contact_ids is not None else found.get(contact_id or NOBODY)


def lock_budgets(rules: Iterable[ValidationRule]) -> None:
    """Let nobody else redeem under those of the rules that have a budget until this is over.

    In the order of their ids, whoever asks: two orders with several cards never wait for each
    other in a circle.
    """
    ids = sorted({rule.pk for rule in rules if has_budget(rule)})
    if ids:
        held = ValidationRule.objects.select_for_update(no_key=True).order_by("pk")
        list(held.filter(pk__in=ids).values_list("pk", flat=True))


def has_budget(rule: ValidationRule) -> bool:
    """Whether the rule counts redemptions."""
    return any(node.get("field") in BUDGETS for _path, node in rules_with_paths(rule.document))


@dataclass(frozen=True, slots=True)
class _Answer:
    """For whom something holds and for whom it does not; of the others it is not known."""

    yes: frozenset[int]
    no: frozenset[int]

    def turned(self) -> "_Answer":
        return _Answer(self.no, self.yes)


@dataclass(slots=True)
class _Case:
    """One rule, asked of some contacts at one moment."""

    conditions: Conditions
    everyone: frozenset[int]
    order: Order | None
    voucher: Voucher | None
    at: datetime
    purpose: Purpose
    amount_minor: int
    others: Sequence[Use]

    def refused(self, rule: ValidationRule) -> dict[int, Refusal]:
        """Those whom the rule refuses, each with the first part of it that does."""
        answers: dict[str, _Answer] = {}
        self._answer(self.conditions.root, answers)
        failing = self._failing(answers[""], wanted=True)
        found: dict[int, Refusal] = {}
        for node, way, ids in self._blame(self.conditions.root, failing, True, answers, ()):
            found.update(dict.fromkeys(ids, self._told(rule, node, way)))
        return found

    def _answer(self, node: Node, answers: dict[str, _Answer]) -> _Answer:
        if isinstance(node, Group):
            parts = [self._answer(child, answers) for child in node.children]
            found = self._joined(node.combinator, parts)
            found = found.turned() if node.negated else found
        else:
            found = self._leaf(node)
        answers[node.path] = found
        return found

    def _joined(self, combinator: str, parts: Sequence[_Answer]) -> _Answer:
        if combinator == "or":
            return self._joined("and", [part.turned() for part in parts]).turned()
        yes, no = self.everyone, frozenset[int]()
        for part in parts:
            # Answers for all are the same set: nothing to go through.
            yes = yes if part.yes is self.everyone else yes & part.yes
            no |= part.no
        return _Answer(yes, no)

    def _all(self, *, holds: bool | None) -> _Answer:
        if holds is None:
            return _Answer(frozenset(), frozenset())
        answer = _Answer(self.everyone, frozenset())
        return answer if holds else answer.turned()

    def _leaf(self, rule: Rule) -> _Answer:
        name = self.conditions.own_field(rule)
        if not name:
            return self._audience(rule)
        if self.purpose is Purpose.PUBLICATION:
            return self._all(holds=None)
        if name in LISTED and isinstance(rule, EventRule):
            if self.order is None:
                return self._all(holds=None)
            zone = self.conditions.zone
            return self._all(holds=listed_holds(rule, name, self.order, at=self.at, zone=zone))
        if not isinstance(rule, FieldRule):
            raise TypeError(f"{name} is no single value.")
        return self._own(rule, name)

    def _own(self, rule: FieldRule, name: str) -> _Answer:
        if name in BUDGETS:
            return self._budget(rule, name)
        if name == HOLDER:
            return self._holder(rule)
        if name.startswith("order."):
            if self.order is None:
                return self._all(holds=None)
            return self._all(holds=passes(rule.test, order_value(name, self.order)) != rule.negated)
        value = time_value(name, self.at, self.conditions.zone)
        test = passes_of_day if name == TIME_OF_DAY else passes
        return self._all(holds=test(rule.test, value) != rule.negated)

    def _holder(self, rule: FieldRule) -> _Answer:
        if self.voucher is None:
            return self._all(holds=None)
        known = self.everyone - {NOBODY}
        holding = known & {self.voucher.holder_id}
        answer = _Answer(holding, known - holding)
        # "Is" no is "is not" yes, and the other way round.
        return answer if passes(rule.test, True) != rule.negated else answer.turned()

    def _budget(self, rule: FieldRule, name: str) -> _Answer:
        budget = BUDGETS[name]
        if self.voucher is None:
            return self._all(holds=None)
        known = self.everyone
        if budget.scope is Scope.CUSTOMER:
            known = known - {NOBODY}
        so_far = used(
            budget,
            campaign_id=self.voucher.campaign_id,
            voucher_id=self.voucher.pk,
            contact_ids=sorted(known),
            others=self.others,
            at=self.at,
            zone=self.conditions.zone,
        )
        more = self.amount_minor if budget.is_amount else 1
        yes = frozenset(
            contact_id
            for contact_id, count in so_far.items()
            if passes(rule.test, count + more) != rule.negated
        )
        return _Answer(yes, known - yes)

    def _audience(self, rule: Rule) -> _Answer:
        known = self.everyone - {NOBODY}
        if not known:
            return self._all(holds=None)
        tree = Criteria(Group("", "and", (rule,)), self.conditions.zone)
        query = compile_members(tree, now=self.at, among=sorted(known))
        # Of a few contacts any plan is quick, and setting things takes longer than asking.
        is_large = len(known) > _FEW
        with sql.local_settings(query.settings) if is_large else nullcontext():
            yes = frozenset(contact_id for (contact_id,) in sql.lists(query.text, query.params))
        return _Answer(yes, known - yes)

    def _failing(self, answer: _Answer, *, wanted: bool) -> frozenset[int]:
        """For whom a part is not as it is wanted, as far as that refuses for this purpose."""
        answer = answer if wanted else answer.turned()
        return answer.no if self.purpose is Purpose.PUBLICATION else self.everyone - answer.yes

    def _blame(
        self,
        node: Node,
        ids: frozenset[int],
        wanted: bool,
        answers: Mapping[str, _Answer],
        way: tuple[str, ...],
    ) -> Iterator[tuple[Node, tuple[str, ...], frozenset[int]]]:
        """The part that refuses each of `ids`, with the groups around it, the innermost first.

        It is the first that is not as it is wanted. Where no single one is to blame, for one of
        several would do, the group itself is, if it has a message.
        """
        if not ids:
            return
        if not isinstance(node, Group) or not node.children:
            yield node, way, ids
            return
        inner = wanted != node.negated
        around = (node.path, *way)
        is_each_needed = (node.combinator == "and") == inner
        if not is_each_needed and node.path in self.conditions.messages:
            yield node, way, ids
            return
        for child in node.children:
            culprits = ids & self._failing(answers[child.path], wanted=inner)
            yield from self._blame(child, culprits, inner, answers, around)
            ids -= culprits

    def _told(self, rule: ValidationRule, node: Node, way: tuple[str, ...]) -> Refusal:
        messages = self.conditions.messages
        own = next((messages[at] for at in (node.path, *way) if at in messages), "") or rule.message
        key, message = self._standard(node)
        return Refusal(key, own or message, rule, own, node.path)

    def _standard(self, node: Node) -> tuple[str, str]:
        """The key of a part that refuses, and what is told where the shop says nothing."""
        first = next(rules_of(node), None) if isinstance(node, Group) else node
        name = "" if first is None else self.conditions.own_field(first)
        if name in LISTED or name.startswith("order."):
            return "order_rules_violated", _("The order does not meet the conditions.")
        is_of_customer = name in BUDGETS and BUDGETS[name].scope is Scope.CUSTOMER
        if self.everyone == {NOBODY} and (not name or name == HOLDER or is_of_customer):
            return "missing_customer", _("It has to be known which customer it is for.")
        if name in BUDGETS:
            return "redemption_rules_violated", _("No more can be redeemed under this rule.")
        if name.startswith("time."):
            return "redemption_rules_violated", _("The card cannot be redeemed at this time.")
        if name == HOLDER:
            return "customer_rules_violated", _("The card belongs to another customer.")
        return "customer_rules_violated", _("The customer does not meet the conditions.")


def _unaskable(rule: ValidationRule) -> Refusal:
    """That of a rule that lost what it asks about: it refuses everybody until it is mended."""
    message = rule.message or _("The conditions cannot be checked at present.")
    return Refusal("customer_rules_violated", message, rule, rule.message)
