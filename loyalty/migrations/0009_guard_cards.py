from django.db import migrations, models
from django.db.models import Q

# What the first guards let through: money that no batch posted, postings that say something else
# than the card, tables emptied or marked as demo to get around the rules.

_MOVE = """
CREATE OR REPLACE FUNCTION loyalty_move_balances_of_cards() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.cause INTO wrong
  FROM new_rows n
  JOIN loyalty_campaign c ON c.id = n.campaign_id
  LEFT JOIN loyalty_voucher v ON v.id = n.voucher_id
  LEFT JOIN loyalty_codebatch b ON b.id = n.batch_id
  LEFT JOIN loyalty_cardposting r ON r.id = n.reverses_id
  WHERE n.currency <> c.currency
    OR coalesce(v.campaign_id, b.campaign_id) <> n.campaign_id
    OR (n.batch_id IS NOT NULL AND n.amount_minor <> b.amount_minor)
    OR (n.reverses_id IS NOT NULL
      AND (r.voucher_id, r.debit, r.credit, r.amount_minor)
        IS DISTINCT FROM (n.voucher_id, n.credit, n.debit, n.amount_minor))
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Posting % contradicts its card, campaign, batch, or what it reverses.', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  UPDATE loyalty_voucher v SET balance_minor = v.balance_minor + d.step,
    redeemed_minor = v.redeemed_minor + d.redeemed,
    redeemed_count = v.redeemed_count + d.uses,
    -- What came onto a card after it expired is booked as expired again.
    expired_at = CASE WHEN d.step > 0 THEN NULL ELSE v.expired_at END
  FROM (
    SELECT voucher_id,
      sum(CASE WHEN credit = 'cards' THEN amount_minor ELSE -amount_minor END) AS step,
      sum(CASE kind WHEN 'redemption' THEN amount_minor WHEN 'rollback' THEN -amount_minor
        ELSE 0 END) AS redeemed,
      sum(CASE kind WHEN 'redemption' THEN 1 WHEN 'rollback' THEN -1 ELSE 0 END) AS uses
    FROM new_rows WHERE voucher_id IS NOT NULL GROUP BY voucher_id) d
  WHERE v.id = d.voucher_id;
  SELECT cause INTO wrong FROM (
    SELECT n.cause, n.balance_minor, v.balance_minor - coalesce(sum(
      CASE WHEN n.credit = 'cards' THEN n.amount_minor ELSE -n.amount_minor END) OVER (
        PARTITION BY n.voucher_id ORDER BY n.id
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0) AS left_then
    FROM new_rows n JOIN loyalty_voucher v ON v.id = n.voucher_id) said
  WHERE balance_minor IS DISTINCT FROM left_then
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Posting % says another balance than its card had afterwards.', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
"""

_GUARDS = """
-- What was redeemed is written by the ledger, too.
DROP TRIGGER loyalty_voucher_guard_balance ON loyalty_voucher;
CREATE TRIGGER loyalty_voucher_guard_balance
  BEFORE UPDATE OF balance_minor, redeemed_minor, redeemed_count ON loyalty_voucher
  FOR EACH ROW WHEN ((OLD.balance_minor, OLD.redeemed_minor, OLD.redeemed_count)
    IS DISTINCT FROM (NEW.balance_minor, NEW.redeemed_minor, NEW.redeemed_count))
  EXECUTE FUNCTION loyalty_guard_balance();

CREATE FUNCTION loyalty_guard_new_vouchers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong text;
BEGIN
  SELECT n.code INTO wrong
  FROM new_rows n LEFT JOIN loyalty_codebatch b ON b.id = n.batch_id
  WHERE n.balance_minor <> n.initial_minor OR n.redeemed_minor <> 0 OR n.redeemed_count <> 0
    OR b.campaign_id IS DISTINCT FROM n.campaign_id
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Card % is new: it has its value, no uses, and a batch of its campaign.', wrong
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF EXISTS (
    SELECT FROM (SELECT DISTINCT batch_id FROM new_rows) n
    JOIN loyalty_cardposting p ON p.batch_id = n.batch_id)
  THEN
    RAISE EXCEPTION 'No card comes into a batch that was posted: make another batch.'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_voucher_guard_new AFTER INSERT ON loyalty_voucher
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_guard_new_vouchers();

-- A campaign of which no card was ever given away or used may be deleted, as a whole and with its
-- ledger; of any other nothing goes, but for the demo workspace.
CREATE OR REPLACE FUNCTION loyalty_refuse_change_of_cardposting() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND (
    (SELECT is_demo FROM loyalty_campaign WHERE id = OLD.campaign_id)
    OR NOT EXISTS (
      SELECT FROM loyalty_voucher WHERE campaign_id = OLD.campaign_id AND published_at IS NOT NULL)
    AND NOT EXISTS (
      SELECT FROM loyalty_cardposting WHERE campaign_id = OLD.campaign_id AND kind <> 'issue'))
  THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The ledger of cards is never changed: write a reversal.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION loyalty_expect_campaign_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM loyalty_campaign WHERE id = OLD.campaign_id AND NOT is_demo) THEN
    RAISE EXCEPTION 'The ledger of cards goes with its whole campaign only.'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER loyalty_cardposting_goes_with_campaign AFTER DELETE ON loyalty_cardposting
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loyalty_expect_campaign_gone();

CREATE FUNCTION loyalty_refuse_deletion_of_vouchers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (
      SELECT campaign_id, batch_id, bool_or(published_at IS NOT NULL OR redeemed_count > 0) AS is_used
      FROM old_rows GROUP BY campaign_id, batch_id) o
    JOIN loyalty_campaign c ON c.id = o.campaign_id AND NOT c.is_demo
    WHERE o.is_used OR EXISTS (SELECT FROM loyalty_cardposting p WHERE p.batch_id = o.batch_id))
  THEN
    RAISE EXCEPTION 'Cards are never deleted: disable them.'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_voucher_stays AFTER DELETE ON loyalty_voucher
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_deletion_of_vouchers();

CREATE FUNCTION loyalty_guard_campaign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.is_demo AND NOT OLD.is_demo THEN
    RAISE EXCEPTION 'Campaign % is no part of the demo workspace.', OLD.key
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.currency <> OLD.currency
    AND EXISTS (SELECT FROM loyalty_codebatch WHERE campaign_id = OLD.id)
  THEN
    RAISE EXCEPTION 'Campaign % has codes worth %: its currency stays.', OLD.key, OLD.currency
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER loyalty_campaign_guard BEFORE UPDATE OF is_demo, currency ON loyalty_campaign
  FOR EACH ROW EXECUTE FUNCTION loyalty_guard_campaign();

CREATE FUNCTION loyalty_guard_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Batch % belongs to another campaign, and stays there.', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER loyalty_codebatch_guard BEFORE UPDATE OF campaign_id ON loyalty_codebatch
  FOR EACH ROW WHEN (OLD.campaign_id <> NEW.campaign_id) EXECUTE FUNCTION loyalty_guard_batch();

-- Only the command that empties the whole database (manage.py flush) says that it may.
CREATE FUNCTION loyalty_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('regulars.flush', true), '') <> 'on' THEN
    RAISE EXCEPTION 'Table % is never emptied.', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_cardposting_not_emptied BEFORE TRUNCATE ON loyalty_cardposting
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_truncate();
CREATE TRIGGER loyalty_voucher_not_emptied BEFORE TRUNCATE ON loyalty_voucher
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_truncate();
CREATE TRIGGER loyalty_codebatch_not_emptied BEFORE TRUNCATE ON loyalty_codebatch
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_truncate();
"""
_GUARDS_BACK = """
DROP TRIGGER loyalty_codebatch_not_emptied ON loyalty_codebatch;
DROP TRIGGER loyalty_voucher_not_emptied ON loyalty_voucher;
DROP TRIGGER loyalty_cardposting_not_emptied ON loyalty_cardposting;
DROP FUNCTION loyalty_refuse_truncate();
DROP TRIGGER loyalty_codebatch_guard ON loyalty_codebatch;
DROP FUNCTION loyalty_guard_batch();
DROP TRIGGER loyalty_campaign_guard ON loyalty_campaign;
DROP FUNCTION loyalty_guard_campaign();
DROP TRIGGER loyalty_voucher_stays ON loyalty_voucher;
DROP FUNCTION loyalty_refuse_deletion_of_vouchers();
DROP TRIGGER loyalty_cardposting_goes_with_campaign ON loyalty_cardposting;
DROP FUNCTION loyalty_expect_campaign_gone();
CREATE OR REPLACE FUNCTION loyalty_refuse_change_of_cardposting() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND (SELECT is_demo FROM loyalty_campaign WHERE id = OLD.campaign_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The ledger of cards is never changed: write a reversal.'
    USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER loyalty_voucher_guard_new ON loyalty_voucher;
DROP FUNCTION loyalty_guard_new_vouchers();
DROP TRIGGER loyalty_voucher_guard_balance ON loyalty_voucher;
CREATE TRIGGER loyalty_voucher_guard_balance BEFORE UPDATE OF balance_minor ON loyalty_voucher
  FOR EACH ROW WHEN (OLD.balance_minor IS DISTINCT FROM NEW.balance_minor)
  EXECUTE FUNCTION loyalty_guard_balance();
"""
_MOVE_BACK = """
CREATE OR REPLACE FUNCTION loyalty_move_balances_of_cards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE loyalty_voucher v SET balance_minor = v.balance_minor + d.step
  FROM (
    SELECT voucher_id,
      sum(CASE WHEN credit = 'cards' THEN amount_minor ELSE -amount_minor END) AS step
    FROM new_rows WHERE voucher_id IS NOT NULL GROUP BY voucher_id) d
  WHERE v.id = d.voucher_id;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0008_points_of_members")]

    operations = [
        migrations.RunSQL(_MOVE, _MOVE_BACK),
        migrations.RunSQL(_GUARDS, _GUARDS_BACK),
        migrations.AddConstraint(
            model_name="cardposting",
            constraint=models.UniqueConstraint(
                fields=["batch"], name="loyalty_cardposting_batch_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardposting",
            constraint=models.CheckConstraint(
                name="loyalty_cardposting_batch_is_issued",
                condition=Q(kind="issue", voucher__isnull=True, batch__isnull=False)
                | ~Q(kind="issue") & Q(voucher__isnull=False, batch__isnull=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="cardposting",
            constraint=models.CheckConstraint(
                name="loyalty_cardposting_kind_says_accounts",
                condition=Q(kind="issue", debit="issued", credit="cards")
                | Q(kind="redemption", debit="cards", credit="redeemed")
                | Q(kind="rollback", debit="redeemed", credit="cards")
                | Q(kind="addition", debit="adjusted", credit="cards")
                | Q(kind="removal", debit="cards", credit="adjusted")
                | Q(kind="expiry", debit="cards", credit="expired")
                | Q(kind="reinstatement", debit="expired", credit="cards"),
            ),
        ),
        migrations.AddConstraint(
            model_name="cardposting",
            constraint=models.CheckConstraint(
                name="loyalty_cardposting_of_a_redemption",
                condition=Q(kind__in=["redemption", "rollback"], redemption__isnull=False)
                | ~Q(kind__in=["redemption", "rollback"]) & Q(redemption__isnull=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="cardposting",
            constraint=models.CheckConstraint(
                name="loyalty_cardposting_reverses_its_like",
                condition=Q(kind__in=["rollback", "reinstatement"], reverses__isnull=False)
                | Q(kind="removal")
                | Q(kind__in=["issue", "redemption", "addition", "expiry"], reverses__isnull=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                name="loyalty_codebatch_has_codes",
                condition=Q(code_count__gt=0, amount_minor__gt=0),
            ),
        ),
        migrations.AddConstraint(
            model_name="voucher",
            constraint=models.CheckConstraint(
                name="loyalty_voucher_value_is_positive", condition=Q(initial_minor__gt=0)
            ),
        ),
        migrations.AddIndex(
            model_name="voucher",
            index=models.Index(
                fields=["campaign"],
                name="loyalty_voucher_unexpired",
                condition=Q(expired_at__isnull=True),
            ),
        ),
    ]
