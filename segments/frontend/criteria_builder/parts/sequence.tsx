// Events one after the other, each within a time of the one before.

import { type Change, isUnset, ownProblems, pathText, useEditor, useScope } from "../editor";
import { withKey } from "../model/document";
import { isObject, type Json, type JsonObject } from "../model/json";
import * as rules from "../model/rules";
import { Icon, IconButton, Select } from "./basics";
import { FieldPicker } from "./fields";
import { Opaque, type RuleProps } from "./rule";
import { DurationControl } from "./values";
import { Where } from "./where";

export function Sequence({ rule, path, edit }: RuleProps) {
  const { t, catalog, say } = useEditor();
  const scope = useScope();
  const base = pathText(scope.base, path);
  const steps = rules.stepsOf(rule.raw);
  const [least = 2, most = 5] = catalog.limits.steps;
  const isFull = steps.length >= most;
  return (
    <div className="cb-sequence">
      <div className="cb-line">
        <span className="cb-word">{t("sequence_intro")}</span>
      </div>
      <ol className="cb-steps">
        {steps.map((step, index) => (
          // Steps have no identity besides their place.
          <Step
            key={`${rule.id}-${index}`}
            id={`${rule.id}.${index}`}
            step={step}
            index={index}
            isLast={index === steps.length - 1}
            base={`${base}.steps[${index}]`}
            level={scope.level + path.length - 1}
            onChange={(next, more) => edit(rules.withStep(rule.raw, index, next), more)}
            onRemove={steps.length > least ? () => edit(rules.withoutStep(rule.raw, index)) : undefined}
          />
        ))}
      </ol>
      <div className="cb-adds">
        <button
          type="button"
          className="cb-add"
          aria-disabled={isFull || undefined}
          onClick={() => {
            if (isFull) say(t("step_limit", { limit: most }));
            else edit(rules.withStepAdded(rule.raw));
          }}
        >
          <Icon name="add" />
          {t("step_add")}
        </button>
        {isFull && <span className="cb-quiet">{t("step_limit", { limit: most })}</span>}
      </div>
    </div>
  );
}

function Step({ id, step, index, isLast, base, level, onChange, onRemove }: {
  id: string;
  step: Json;
  index: number;
  isLast: boolean;
  base: string;
  level: number;
  onChange: (step: JsonObject, more?: Change) => void;
  onRemove?: () => void;
}) {
  const { t, catalog, problems } = useEditor();
  if (!isObject(step)) return <li><Opaque value={step} /></li>;
  const event = typeof step.get("event") === "string" ? (step.get("event") as string) : "";
  const isAbsent = step.get("not") === true;
  const number = index + 1;
  const within = step.get("within");
  const units = catalog.units("datetime", "");
  const own = ownProblems(problems, base);
  const setAbsent = (absent: boolean) => {
    const kept = absent && within === undefined ? withKey(step, "within", rules.durationOf(7, "day")) : step;
    onChange(withKey(kept, "not", absent || (step.has("not") && !isAbsent) ? absent : undefined));
  };
  return (
    <li className="cb-step" data-path={base} tabIndex={-1} data-absent={isAbsent || undefined}>
      <span className="cb-step-number" aria-hidden="true">{number}</span>
      <div className="cb-step-body">
        <div className="cb-line">
          {index === 0 ? (
            <span className="cb-word">{t("step_first")}</span>
          ) : isLast || isAbsent ? (
            <Select
              label={t("step_did", { number })}
              value={isAbsent ? "not" : "then"}
              options={[["then", t("step_then")], ["not", t("step_not")]]}
              onChange={(next) => setAbsent(next === "not")}
            />
          ) : (
            <span className="cb-word">{t("step_then")}</span>
          )}
          <FieldPicker
            label={event ? t("change_field", { field: event }) : `${t("event_of_step", { number })}: ${t("choose_event")}`}
            current={`event.${event}`}
            onlyEvents
            isUnset={!event}
            onPick={(entry) => onChange(withKey(step, "event", entry.field.replace(/^event\./, "")))}
          >
            {event ? catalog.label(`event.${event}`) : t("choose_event")}
          </FieldPicker>
          {(index > 0 || within !== undefined) && (
            <>
              {!isAbsent || within === undefined ? (
                <Select
                  label={t("step_time", { number })}
                  value={within === undefined ? "any" : "within"}
                  options={[["any", t("step_any_time")], ["within", t("step_within")]]}
                  onChange={(next) => onChange(withKey(step, "within", next === "any" ? undefined : rules.durationOf(7, "day")))}
                />
              ) : (
                <span className="cb-word">{t("step_within")}</span>
              )}
              {within !== undefined && (
                <DurationControl
                  name={t("step_time", { number })}
                  value={within}
                  units={units}
                  invalid={own.some((problem) => problem.path.startsWith(`${base}.within`))}
                  onChange={(next) => onChange(withKey(step, "within", next), { key: `${id}.within` })}
                />
              )}
            </>
          )}
          {onRemove && <IconButton className="cb-end" icon="close" label={t("step_remove", { number })} onClick={onRemove} />}
        </div>
        <Where id={id} owner={step} base={base} level={level} event={event} onChange={onChange} />
        {own.filter((problem) => !isUnset(problem) || problem.path !== `${base}.event`).map((problem) => (
          <p key={problem.path + problem.code} className={`cb-hint ${isUnset(problem) ? "cb-warning" : "cb-bad"}`}>{problem.message}</p>
        ))}
      </div>
    </li>
  );
}
