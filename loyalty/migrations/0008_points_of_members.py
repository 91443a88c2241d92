import django.core.validators
from django.db import migrations, models

# What makes the ledger of points trustworthy, whoever writes. For each contact the lines add up to
# `Member.points`, and to nothing where he is no member:
#
# - new lines move the points, by one update for all members of a statement;
# - nobody else writes them; points with which a membership is made, or that it has when it is
#   deleted, are a line by themselves;
# - a line is never changed or deleted, but for three things: those of a contact who was merged go
#   over to the survivor as they are (a cause that he has already gets the loser's number), those of
#   who is no member any more may lose their words, and those of demo contacts may go with them;
# - nobody spends what he does not have.

_MOVE = """
CREATE FUNCTION loyalty_move_points_{verb}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  stranger bigint;
  debtor bigint;
BEGIN
  WITH steps AS (
    SELECT contact_id,
      sum(sign * CASE WHEN credit = 'member' THEN points ELSE -points END) AS points,
      sum(sign * CASE WHEN debit = 'issued' THEN points WHEN credit = 'issued' THEN -points
        ELSE 0 END) AS earned,
      sum(sign * CASE WHEN credit = 'spent' THEN points WHEN debit = 'spent' THEN -points
        ELSE 0 END) AS spent,
      bool_or(credit IN ('spent', 'expired')) AS must_have
    FROM ({rows}) line GROUP BY contact_id
  ), moved AS (
    UPDATE loyalty_member m SET points = m.points + s.points,
      points_earned = m.points_earned + s.earned, points_spent = m.points_spent + s.spent
    FROM steps s WHERE m.contact_id = s.contact_id
      AND (s.points <> 0 OR s.earned <> 0 OR s.spent <> 0)
    RETURNING m.contact_id, m.points, s.must_have
  )
  SELECT
    (SELECT s.contact_id FROM steps s LEFT JOIN moved m ON m.contact_id = s.contact_id
      WHERE m.contact_id IS NULL AND s.points <> 0 LIMIT 1),
    (SELECT m.contact_id FROM moved m WHERE m.points < 0 AND m.must_have LIMIT 1)
  INTO stranger, debtor;
  {check}
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_pointsposting_moves_points_{verb} AFTER {verb} ON loyalty_pointsposting
  REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION loyalty_move_points_{verb}();
"""
_NEW = "SELECT n.*, 1 AS sign FROM new_rows n"
_OLD = "SELECT o.*, -1 AS sign FROM old_rows o"
# Deeper than one it is a membership that ended which writes.
_NO_STRANGER = """IF stranger IS NOT NULL AND pg_trigger_depth() = 1 THEN
    RAISE EXCEPTION 'Contact % is no member, and so has no points.', stranger
      USING ERRCODE = 'restrict_violation';
  END IF;"""
_NO_DEBTOR = """IF debtor IS NOT NULL THEN
    RAISE EXCEPTION 'Contact % has not as many points.', debtor
      USING ERRCODE = 'check_violation';
  END IF;"""

_APPEND_ONLY = """
CREATE FUNCTION loyalty_refuse_change_of_pointsposting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF (SELECT is_demo FROM contacts_contact WHERE id = OLD.contact_id) THEN
      RETURN OLD;
    END IF;
  ELSIF (OLD.id, OLD.debit, OLD.credit, OLD.points, OLD.reverses_id, OLD.rule_id,
      OLD.actor_label, OLD.at, OLD.expires_at) IS NOT DISTINCT FROM (NEW.id, NEW.debit, NEW.credit,
      NEW.points, NEW.reverses_id, NEW.rule_id, NEW.actor_label, NEW.at, NEW.expires_at) THEN
    IF NEW.contact_id <> OLD.contact_id THEN
      IF NEW.reason = OLD.reason AND NEW.cause IN (OLD.cause, OLD.cause || '#' || OLD.contact_id)
          AND (SELECT erased_at IS NOT NULL FROM contacts_contact WHERE id = OLD.contact_id) THEN
        RETURN NEW;
      END IF;
    ELSIF NEW.reason = '' AND NEW.cause = 'erased:' || OLD.id
        AND NOT EXISTS (SELECT FROM loyalty_member WHERE contact_id = OLD.contact_id) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'The ledger of points is never changed: write a reversal.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER loyalty_pointsposting_append_only BEFORE UPDATE OR DELETE ON loyalty_pointsposting
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change_of_pointsposting();
"""

LEDGER = (
    _MOVE.format(
        verb="insert",
        rows=_NEW,
        tables="NEW TABLE AS new_rows",
        check=f"{_NO_STRANGER}\n  {_NO_DEBTOR}",
    )
    + _MOVE.format(
        verb="update",
        rows=f"{_NEW} UNION ALL {_OLD}",
        tables="OLD TABLE AS old_rows NEW TABLE AS new_rows",
        check=_NO_STRANGER,
    )
    + _MOVE.format(verb="delete", rows=_OLD, tables="OLD TABLE AS old_rows", check="")
    + _APPEND_ONLY
)
LEDGER_BACK = """
DROP TRIGGER loyalty_pointsposting_append_only ON loyalty_pointsposting;
DROP TRIGGER loyalty_pointsposting_moves_points_delete ON loyalty_pointsposting;
DROP TRIGGER loyalty_pointsposting_moves_points_update ON loyalty_pointsposting;
DROP TRIGGER loyalty_pointsposting_moves_points_insert ON loyalty_pointsposting;
DROP FUNCTION loyalty_refuse_change_of_pointsposting();
DROP FUNCTION loyalty_move_points_delete();
DROP FUNCTION loyalty_move_points_update();
DROP FUNCTION loyalty_move_points_insert();
"""

# The cause of a line that a membership writes by itself is the number of lines before it, so that
# it counts once. Its time is that of the transaction: the database knows no other.
MEMBERS = """
CREATE FUNCTION loyalty_guard_points() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Two deep it is a trigger of this file that writes.
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'The points of contact % are written by their ledger only.', OLD.contact_id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER loyalty_member_guard_points
  BEFORE UPDATE OF points, points_earned, points_spent, contact_id ON loyalty_member
  FOR EACH ROW WHEN (
    (OLD.contact_id, OLD.points, OLD.points_earned, OLD.points_spent)
    IS DISTINCT FROM (NEW.contact_id, NEW.points, NEW.points_earned, NEW.points_spent))
  EXECUTE FUNCTION loyalty_guard_points();

CREATE FUNCTION loyalty_open_points() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH given AS (
    SELECT n.contact_id, n.points, n.joined_at, l.* FROM new_rows n
    CROSS JOIN LATERAL (
      SELECT count(*) AS line_count,
        coalesce(sum(CASE WHEN p.debit = 'issued' THEN p.points
          WHEN p.credit = 'issued' THEN -p.points END), 0) AS earned,
        coalesce(sum(CASE WHEN p.credit = 'spent' THEN p.points
          WHEN p.debit = 'spent' THEN -p.points END), 0) AS spent
      FROM loyalty_pointsposting p WHERE p.contact_id = n.contact_id) l
    WHERE n.points <> 0 OR n.points_earned <> l.earned OR n.points_spent <> l.spent
  ), emptied AS (
    UPDATE loyalty_member m SET points = 0, points_earned = g.earned, points_spent = g.spent
    FROM given g WHERE m.contact_id = g.contact_id
  )
  -- The trigger of the lines comes after the whole statement, and so moves what is empty by then.
  INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)
    SELECT g.contact_id, CASE WHEN g.points > 0 THEN 'adjusted' ELSE 'member' END,
      CASE WHEN g.points > 0 THEN 'member' ELSE 'adjusted' END, abs(g.points),
      'opening:' || g.line_count, g.joined_at
    FROM given g WHERE g.points <> 0 ORDER BY g.contact_id;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_member_opens_points AFTER INSERT ON loyalty_member
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION loyalty_open_points();

CREATE FUNCTION loyalty_close_points() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)
    SELECT o.contact_id, CASE WHEN o.points > 0 THEN 'member' ELSE 'adjusted' END,
      CASE WHEN o.points > 0 THEN 'expired' ELSE 'member' END, abs(o.points),
      'closing:' || (SELECT count(*) FROM loyalty_pointsposting p
        WHERE p.contact_id = o.contact_id), now()
    FROM old_rows o WHERE o.points <> 0 ORDER BY o.contact_id;
  RETURN NULL;
END $$;
CREATE TRIGGER loyalty_member_closes_points AFTER DELETE ON loyalty_member
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION loyalty_close_points();
"""
MEMBERS_BACK = """
DROP TRIGGER loyalty_member_closes_points ON loyalty_member;
DROP TRIGGER loyalty_member_opens_points ON loyalty_member;
DROP TRIGGER loyalty_member_guard_points ON loyalty_member;
DROP FUNCTION loyalty_close_points();
DROP FUNCTION loyalty_open_points();
DROP FUNCTION loyalty_guard_points();
"""

CARDS = """
DO $$
DECLARE
  twice text;
BEGIN
  SELECT string_agg(card_number, ', ') INTO twice FROM (
    SELECT card_number FROM loyalty_member WHERE card_number <> ''
    GROUP BY card_number HAVING count(*) > 1 ORDER BY 1 LIMIT 10) t;
  IF twice IS NOT NULL THEN
    RAISE EXCEPTION 'Several members have the same card: %. Give them numbers of their own in the'
      ' table loyalty_member, then migrate again.', twice;
  END IF;
END $$;
"""

COLUMNS = """
ALTER TABLE loyalty_pointsposting ADD COLUMN rule_id integer,
  DROP CONSTRAINT loyalty_pointsposting_known_accounts,
  ADD CONSTRAINT loyalty_pointsposting_known_accounts CHECK (
    debit IN ('member', 'issued', 'spent', 'expired', 'adjusted')
    AND credit IN ('member', 'issued', 'spent', 'expired', 'adjusted')),
  ADD CONSTRAINT loyalty_pointsposting_expires_what_came CHECK (
    expires_at IS NULL OR credit = 'member');
UPDATE loyalty_pointsposting SET cause = 'opening:0' WHERE cause = 'opening';
"""
COLUMNS_BACK = """
ALTER TABLE loyalty_pointsposting DROP COLUMN rule_id,
  DROP CONSTRAINT loyalty_pointsposting_expires_what_came
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0007_exact_rules")]

    operations = [
        migrations.AddField(
            model_name="member",
            name="points_earned",
            field=models.BigIntegerField(
                db_default=0, default=0, editable=False, verbose_name="points ever earned"
            ),
        ),
        migrations.AddField(
            model_name="member",
            name="points_spent",
            field=models.BigIntegerField(
                db_default=0, default=0, editable=False, verbose_name="points ever spent"
            ),
        ),
        migrations.AddField(
            model_name="programme",
            name="card_prefix",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=6,
                validators=[django.core.validators.RegexValidator("\\A[0-9]*\\Z", "Digits only.")],
                verbose_name="card numbers begin with",
            ),
        ),
        migrations.AlterField(
            model_name="programme",
            name="tier_window_days",
            field=models.PositiveIntegerField(
                default=365,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(36500),
                ],
                verbose_name="points of the last days",
            ),
        ),
        migrations.RunSQL(CARDS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.UniqueConstraint(
                condition=models.Q(("card_number", ""), _negated=True),
                fields=("card_number",),
                name="loyalty_member_one_for_each_card",
            ),
        ),
        migrations.RunSQL(COLUMNS, COLUMNS_BACK),
        migrations.RunSQL(LEDGER, LEDGER_BACK),
        migrations.RunSQL(MEMBERS, MEMBERS_BACK),
    ]
