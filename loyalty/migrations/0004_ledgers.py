from django.db import migrations

# What makes the two ledgers trustworthy, whoever writes: lines are never changed or deleted (those
# of the demo workspace may be removed with it), and each balance is moved by the lines alone.
#
# A line has both of its accounts, so that it cannot be unbalanced. The balances follow by triggers
# of statements: one update for all cards or members of a statement, however many.

POINTS = """
CREATE TABLE loyalty_pointsposting (
  contact_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  debit text NOT NULL,
  credit text NOT NULL,
  points bigint NOT NULL,
  cause text NOT NULL,
  reason text NOT NULL DEFAULT '',
  reverses_id bigint,
  actor_label text NOT NULL DEFAULT '',
  at timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (contact_id, id),
  CONSTRAINT loyalty_pointsposting_once_per_cause UNIQUE (contact_id, cause),
  CONSTRAINT loyalty_pointsposting_reversed_once UNIQUE (contact_id, reverses_id),
  CONSTRAINT loyalty_pointsposting_moves_something CHECK (points > 0),
  CONSTRAINT loyalty_pointsposting_of_a_member CHECK ((debit = 'member') <> (credit = 'member')),
  CONSTRAINT loyalty_pointsposting_known_accounts CHECK (
    debit IN ('member', 'issued', 'spent', 'expired', 'adjusted', 'merged')
    AND credit IN ('member', 'issued', 'spent', 'expired', 'adjusted', 'merged'))
);
CREATE INDEX loyalty_pointsposting_expiry ON loyalty_pointsposting (expires_at, contact_id)
  WHERE expires_at IS NOT NULL;
CREATE INDEX loyalty_pointsposting_at ON loyalty_pointsposting (contact_id, at);
-- What the members of before had.
INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)
  SELECT contact_id, CASE WHEN points > 0 THEN 'adjusted' ELSE 'member' END,
    CASE WHEN points > 0 THEN 'member' ELSE 'adjusted' END, abs(points), 'opening', joined_at
  FROM loyalty_member WHERE points <> 0;
"""
POINTS_BACK = "DROP TABLE loyalty_pointsposting"

CARDS = """
CREATE FUNCTION loyalty_refuse_change_of_cardposting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND (SELECT is_demo FROM loyalty_campaign WHERE id = OLD.campaign_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The ledger of cards is never changed: write a reversal.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER loyalty_cardposting_append_only BEFORE UPDATE OR DELETE ON loyalty_cardposting
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change_of_cardposting();

CREATE FUNCTION loyalty_move_balances_of_cards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE loyalty_voucher v SET balance_minor = v.balance_minor + d.step
  FROM (
    SELECT voucher_id,
      sum(CASE WHEN credit = 'cards' THEN amount_minor ELSE -amount_minor END) AS step
    FROM new_rows WHERE voucher_id IS NOT NULL GROUP BY voucher_id) d
  WHERE v.id = d.voucher_id;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_cardposting_moves_balances AFTER INSERT ON loyalty_cardposting
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_move_balances_of_cards();

CREATE FUNCTION loyalty_guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Two deep it is the trigger above that writes.
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'The balance of card % is written by the ledger only.', OLD.code
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER loyalty_voucher_guard_balance BEFORE UPDATE OF balance_minor ON loyalty_voucher
  FOR EACH ROW WHEN (OLD.balance_minor IS DISTINCT FROM NEW.balance_minor)
  EXECUTE FUNCTION loyalty_guard_balance();
CREATE FUNCTION loyalty_guard_initial() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Card % was made with another value, which stays.', OLD.code
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER loyalty_voucher_guard_initial
  BEFORE UPDATE OF initial_minor, batch_id, campaign_id ON loyalty_voucher
  FOR EACH ROW WHEN ((OLD.initial_minor, OLD.batch_id, OLD.campaign_id)
    IS DISTINCT FROM (NEW.initial_minor, NEW.batch_id, NEW.campaign_id))
  EXECUTE FUNCTION loyalty_guard_initial();

-- At the end of the transaction the codes of a batch are worth what its posting says.
CREATE FUNCTION loyalty_check_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  said bigint;
  posted bigint;
  found_count bigint;
  found_amount bigint;
BEGIN
  SELECT amount_minor INTO said FROM loyalty_codebatch WHERE id = NEW.id;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT coalesce(sum(amount_minor), 0) INTO posted
    FROM loyalty_cardposting WHERE batch_id = NEW.id AND kind = 'issue';
  SELECT count(*), coalesce(sum(initial_minor), 0) INTO found_count, found_amount
    FROM loyalty_voucher WHERE batch_id = NEW.id;
  IF (said, NEW.code_count, said) IS DISTINCT FROM (posted, found_count, found_amount) THEN
    RAISE EXCEPTION 'Batch % says % codes worth %: there are % worth %, and % is posted.',
      NEW.id, NEW.code_count, said, found_count, found_amount, posted
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER loyalty_codebatch_is_balanced AFTER INSERT OR UPDATE ON loyalty_codebatch
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loyalty_check_batch();
CREATE INDEX loyalty_voucher_batch ON loyalty_voucher (batch_id);
"""
CARDS_BACK = """
DROP INDEX loyalty_voucher_batch;
DROP TRIGGER loyalty_codebatch_is_balanced ON loyalty_codebatch;
DROP TRIGGER loyalty_voucher_guard_initial ON loyalty_voucher;
DROP TRIGGER loyalty_voucher_guard_balance ON loyalty_voucher;
DROP TRIGGER loyalty_cardposting_moves_balances ON loyalty_cardposting;
DROP TRIGGER loyalty_cardposting_append_only ON loyalty_cardposting;
DROP FUNCTION loyalty_check_batch();
DROP FUNCTION loyalty_guard_initial();
DROP FUNCTION loyalty_guard_balance();
DROP FUNCTION loyalty_move_balances_of_cards();
DROP FUNCTION loyalty_refuse_change_of_cardposting();
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0003_cards_and_mechanisms")]

    operations = [
        migrations.RunSQL(POINTS, POINTS_BACK),
        migrations.RunSQL(CARDS, CARDS_BACK),
    ]
