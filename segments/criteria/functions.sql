-- What criteria read from the properties of events. What cannot be read so is NULL, never an error.

-- The number: a JSON number, or text that writes one. Of more than 1000 characters it is none, as
-- in contacts_event.amount, so that no sum of them can overflow. The server inlines it.
CREATE OR REPLACE FUNCTION segments_number(property jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN length(property #>> '{}') > 1000 THEN NULL
    WHEN jsonb_typeof(property) = 'number' THEN (property #>> '{}')::numeric
    WHEN jsonb_typeof(property) = 'string' AND (property #>> '{}') ~ '^-?[0-9]+(\.[0-9]+)?$'
      THEN (property #>> '{}')::numeric
  END
$$;

-- The text: that of a JSON text, number or boolean.
CREATE OR REPLACE FUNCTION segments_text(property jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(property) NOT IN ('object', 'array') THEN property #>> '{}' END
$$;

-- The instant that text writes in ISO form; without an offset it is wall time in the zone, and a
-- date its first moment there. The calendar is checked first, because a cast of 30 February fails.
CREATE OR REPLACE FUNCTION segments_instant(property jsonb, zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  written text;
  wall timestamp;
  moment timestamptz;
  earlier timestamptz;
  suffix text;
BEGIN
  IF jsonb_typeof(property) IS DISTINCT FROM 'string' THEN
    RETURN NULL;
  END IF;
  written := property #>> '{}';
  IF written !~ ('^[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)'
      || '|02-(0[1-9]|1[0-9]|2[0-9]))([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?'
      || '(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?)?$')
    OR written ~ '^0000'
    OR written ~ '^....-02-29' AND written !~ '^([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)'
  THEN
    RETURN NULL;
  END IF;
  IF length(written) = 10 THEN
    wall := written::date;
    moment := wall AT TIME ZONE zone;
    -- Where the clocks go back over midnight it comes twice: the first one has the old offset.
    earlier := (wall - ((moment - interval '1 day') AT TIME ZONE zone
                        - (moment - interval '1 day') AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC';
    RETURN CASE WHEN (earlier AT TIME ZONE zone)::date = wall::date
                THEN least(moment, earlier) ELSE moment END;
  END IF;
  suffix := substring(written from '(Z|[+-][0-9]{2}:?[0-9]{2})$');
  wall := left(written, length(written) - coalesce(length(suffix), 0))::timestamp;
  IF suffix IS NULL THEN
    RETURN wall AT TIME ZONE zone;
  ELSIF suffix = 'Z' THEN
    RETURN wall AT TIME ZONE 'UTC';
  END IF;
  -- By hand: the server reads no offset of 16 hours and more.
  RETURN (wall - (left(suffix, 1) || substr(suffix, 2, 2) || ' hours')::interval
               - (left(suffix, 1) || right(suffix, 2) || ' minutes')::interval) AT TIME ZONE 'UTC';
END
$$;
