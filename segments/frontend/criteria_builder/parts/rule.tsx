// One rule as a line of words with controls in it: about a field, about events, about a sequence.

import { useEffect, useState } from "react";
import { type Change, type Editor, isUnset, ownProblems, pathText, type Scope, ScopeContext, useEditor, useScope } from "../editor";
import { groupOfField, iconOf } from "../model/catalog";
import { emptyGroup, flag, type Group, groupOf, isEditable, isShowable, type Path, type Rule, ruleOf, withKey, withKeys } from "../model/document";
import { isObject, type Json, type JsonObject } from "../model/json";
import * as rules from "../model/rules";
import { insert, replace, setFlag } from "../model/tree";
import type { EventInfo } from "../server";
import type { TextKey } from "../texts";
import { Icon, IconButton, Select } from "./basics";
import { FieldPicker } from "./fields";
import { GroupBody, GroupTitle } from "./group";
import { ReadOnlyRule } from "./reading";
import { TextWithSuggestions } from "./suggest";
import { DurationControl, textOf, ValueControl } from "./values";

export function useEvent(name: string): EventInfo {
  const { server } = useEditor();
  const [info, setInfo] = useState<EventInfo>({ properties: [] });
  useEffect(() => {
    if (!name) return undefined;
    let isCurrent = true;
    server.event(name).then((found) => {
      if (isCurrent) setInfo(found);
    });
    return () => {
      isCurrent = false;
    };
  }, [server, name]);
  return info;
}

type Edit = (raw: JsonObject, more?: Change) => void;

export function RuleContent({ rule, path }: { rule: Rule; path: Path }) {
  const { readOnly } = useEditor();
  const scope = useScope();
  if (!isEditable(rule)) return <Opaque value={rule.raw} />;
  if (readOnly) return <ReadOnlyRule rule={rule} path={path} />;
  const edit: Edit = (raw, more) => scope.change(replace(scope.root, path, ruleOf(raw, rule.id)), more);
  if (scope.kind === "where") return <Condition rule={rule} path={path} edit={edit} />;
  if (rule.field === "sequence") return <Sequence rule={rule} path={path} edit={edit} />;
  if (rule.field.startsWith("event.")) return <Behavior rule={rule} path={path} edit={edit} />;
  return <FieldRule rule={rule} path={path} edit={edit} />;
}

/** What no control can show: as it was written. */
function Opaque({ value }: { value: Json }) {
  const { t } = useEditor();
  return (
    <div className="cb-line cb-raw">
      <code>{textOf(value)}</code>
      <span className="cb-quiet">{t("opaque")}</span>
    </div>
  );
}

interface Props {
  rule: Rule & { raw: JsonObject };
  path: Path;
  edit: Edit;
}

function useFaulty(path: Path): (key: string) => boolean {
  const { problems } = useEditor();
  const scope = useScope();
  const at = pathText(scope.base, path);
  const own = ownProblems(problems, at).filter((problem) => !isUnset(problem));
  return (key) => own.some((problem) => problem.path === `${at}.${key}` || problem.path.startsWith(`${at}.${key}.`) || problem.path.startsWith(`${at}.${key}[`));
}

const TIMES: Record<string, TextKey> = { "=": "time_eq", "!=": "time_ne", "<": "time_lt", "<=": "time_le", ">": "time_gt", ">=": "time_ge" };

/** An operator in words: times come before and after each other, they are not greater. */
export function operatorText(operator: string, type: string, { t, catalog }: Editor): string {
  const key = type === "date" || type === "datetime" ? TIMES[operator] : undefined;
  return key ? t(key) : catalog.operatorLabel(operator);
}

function operatorOptions(operators: string[], type: string, editor: Editor): [string, string][] {
  return operators.map((operator) => [operator, operatorText(operator, type, editor)]);
}

/** The name of a field as a button that changes it; a link to fill it in where there is none. */
function Field({ rule, edit }: { rule: Rule & { raw: JsonObject }; edit: Edit }) {
  const { t, catalog, focusLater } = useEditor();
  const label = rule.field ? catalog.label(rule.field) : t("choose_field");
  return (
    <FieldPicker
      label={rule.field ? t("change_field", { field: label }) : t("choose_field")}
      current={rule.field}
      isUnset={!rule.field}
      onPick={(entry) => {
        edit(rules.withField(rule.raw, entry.field, catalog, entry.choice));
        focusLater(rule.id, "control");
      }}
    >
      {label}
    </FieldPicker>
  );
}

function FieldRule({ rule, path, edit }: Props) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const isFaulty = useFaulty(path);
  const name = rule.field ? catalog.label(rule.field) : t("unnamed");
  const { type, operators } = rules.operatorsOf(rule.field, catalog);
  const shown = operators.includes(rule.operator) || !rule.operator ? operators : [rule.operator, ...operators];
  return (
    <div className="cb-line">
      <Field rule={rule} edit={edit} />
      {rule.field && (
        <>
          <Select
            label={t("operator_of", { field: name })}
            value={rule.operator}
            invalid={isFaulty("operator")}
            options={operatorOptions(shown, type, editor)}
            onChange={(operator) => edit(rules.withOperator(rule.raw, operator, catalog, type))}
          />
          <ValueControl
            name={name}
            field={rule.field}
            event=""
            type={type}
            takes={catalog.takes(rule.operator)}
            operator={rule.operator}
            value={rule.value}
            choices={catalog.field(rule.field)?.choices}
            invalid={isFaulty("value")}
            onChange={(value) => edit(withKey(rule.raw, "value", value), { key: `${rule.id}.value` })}
          />
        </>
      )}
    </div>
  );
}

// --- Conditions on events -----------------------------------------------------------------------

function Condition({ rule, path, edit }: Props) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const scope = useScope();
  const isFaulty = useFaulty(path);
  const info = useEvent(scope.event);
  const [wanted, setWanted] = useState<rules.Kind | null>(null);
  const isTime = rule.field === "occurred_at";
  const property = rule.field.replace(/^properties\./, "");
  const name = isTime ? t("occurred_at") : property || t("property");
  const known = info.properties.find((found) => found.name === property)?.type;
  const read = rules.kindOf(rule.raw, known);
  const kind = rules.isEmptyValue(rule.value) && wanted ? wanted : read;
  const type = isTime ? "datetime" : kind;
  const operators = isTime ? catalog.data.event.occurred_at.operators : rules.operatorsOfKind(kind, catalog, rule.operator);
  const setProperty = (next: string) => edit(withKey(rule.raw, "field", `properties.${next}`), { key: `${rule.id}.field` });
  const pickProperty = (next: string) => {
    const found = info.properties.find((one) => one.name === next);
    const raw = withKey(rule.raw, "field", `properties.${next}`);
    const nextKind = rules.kindOf(withKeys(raw, { operator: undefined, value: undefined }), found?.type);
    edit(rules.isEmptyValue(rule.value) && nextKind !== kind ? rules.withKind(raw, nextKind, catalog) : raw);
    setWanted(nextKind);
  };
  const kinds = [["text", t("kind_text")], ["number", t("kind_number")], ["datetime", t("kind_datetime")], ["boolean", t("kind_boolean")]] as const;
  return (
    <div className="cb-line">
      {isTime ? (
        <span className="cb-field cb-fixed">{name}</span>
      ) : (
        <TextWithSuggestions
          className="cb-property"
          label={t("property_of", { event: scope.event })}
          value={property}
          placeholder={t("choose_property")}
          invalid={isFaulty("field")}
          ask={(text) => info.properties.filter((one) => one.name.toLowerCase().includes(text.trim().toLowerCase())).slice(0, 20).map((one) => ({ value: one.name, label: one.name, count: one.type }))}
          onChange={setProperty}
          onPick={(option) => pickProperty(option.value)}
        />
      )}
      {!isTime && (
        <Select
          className="cb-kind"
          label={t("kind_of", { field: name })}
          value={kind}
          options={kinds}
          onChange={(next) => {
            setWanted(next as rules.Kind);
            edit(rules.withKind(rule.raw, next as rules.Kind, catalog));
          }}
        />
      )}
      <Select
        label={t("operator_of", { field: name })}
        value={rule.operator}
        invalid={isFaulty("operator")}
        options={operatorOptions(operators, type, editor)}
        onChange={(operator) => edit(rules.withOperator(rule.raw, operator, catalog, "datetime"))}
      />
      <ValueControl
        name={name}
        field={rule.field}
        event={scope.event}
        type={type}
        takes={catalog.takes(rule.operator)}
        operator={rule.operator}
        value={rule.value}
        invalid={isFaulty("value")}
        onChange={(value) => edit(withKey(rule.raw, "value", value), { key: `${rule.id}.value` })}
      />
    </div>
  );
}

/** The conditions of an event rule or of a step, as a tree of its own in the rule. */
export function Where({ id, owner, base, level, event, onChange }: {
  id: string;
  owner: JsonObject;
  base: string;
  level: number;
  event: string;
  onChange: (owner: JsonObject, more?: Change) => void;
}) {
  const editor = useEditor();
  const { t, catalog, readOnly } = editor;
  const raw = owner.get("where");
  if (raw !== undefined && !isShowable(raw)) return <Opaque value={raw} />;
  const root = raw === undefined ? null : groupOf(raw);
  const change = (next: typeof root, more?: Change) => {
    // A last condition taken away takes the empty group with it, where that says nothing else.
    const isGone = next && !next.rules.length && root?.rules.length && [...next.raw.keys()].every((key) => key === "combinator" || key === "rules");
    onChange(withKey(owner, "where", isGone ? undefined : (next?.raw ?? undefined)), more);
  };
  const add = (field: string) => {
    const group = root ?? emptyGroup("and");
    const rule = ruleOf(rules.newCondition(field, catalog));
    change(insert(group, [group.rules.length], rule));
    editor.focusLater(rule.id, "control");
  };
  const addBlock = () => {
    const group = root ?? emptyGroup("and");
    const rule = ruleOf(rules.newCondition("properties.", catalog));
    change(insert(group, [group.rules.length], emptyGroup("or", {}, [rule])));
    editor.focusLater(rule.id, "control");
  };
  const scope: Scope | null = root && {
    id: `${id}.where`, root, base: `${base}.where`, level, kind: "where", event, hasZones: false,
    change: (next, more) => change(next, more),
  };
  return (
    <div className="cb-where" data-path={`${base}.where`} data-disabled={(root && flag(root, "disabled")) || undefined} tabIndex={-1}>
      {scope && !isBare(scope.root) ? (
        <ScopeContext.Provider value={scope}>
          <div className="cb-where-head" data-node={scope.root.id} tabIndex={-1}>
            <span className="cb-word">{t("where")}</span>
            {(scope.root.rules.length > 1 || flag(scope.root, "not")) && <GroupTitle group={scope.root} path={[]} />}
            {flag(scope.root, "disabled") && (
              <>
                <span className="rg-badge">{t("disabled")}</span>
                {!readOnly && <button type="button" className="cb-link" onClick={() => scope.change(setFlag(scope.root, [], "disabled", false))}>{t("enable")}</button>}
              </>
            )}
          </div>
          <GroupBody group={scope.root} path={[]} hidden={NOTHING} isBare />
        </ScopeContext.Provider>
      ) : null}
      {!readOnly && (
        <div className="cb-adds">
          <span className="cb-word">{root?.rules.length ? "" : t("where")}</span>
          <button type="button" className="cb-add" onClick={() => add("properties.")}><Icon name="add" />{t("where_add_property")}</button>
          <button type="button" className="cb-add" onClick={() => add("occurred_at")}><Icon name="schedule" />{t("where_add_time")}</button>
          <button type="button" className="cb-add" onClick={addBlock}><Icon name="account_tree" />{t("where_add_block")}</button>
        </div>
      )}
    </div>
  );
}

const NOTHING: ReadonlySet<number> = new Set();

// Conditions that ask nothing and say nothing else.
function isBare(root: Group): boolean {
  return !root.rules.length && !flag(root, "not") && !flag(root, "disabled") && root.combinator === "and";
}

// --- Behavior -----------------------------------------------------------------------------------

function Behavior({ rule, path, edit }: Props) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const scope = useScope();
  const isFaulty = useFaulty(path);
  const event = rule.field.slice("event.".length);
  const info = useEvent(event);
  const face = rules.faceOf(rule.raw);
  const measure = rules.measureOf(rule.raw);
  const entry = catalog.eventFunction(measure.function);
  const type = entry?.type ?? "number";
  const name = catalog.label(rule.field);
  const faces = rules.FACES.map((key) => [key, t(`face_${key}`)] as const);
  const operators = entry?.operators ?? [];
  const base = pathText(scope.base, path);
  const properties = info.properties.filter((one) => measure.function === "distinct" || !one.type || one.type === "number");
  return (
    <div className="cb-behavior">
      <div className="cb-line">
        <Select
          className="cb-face"
          label={t("behavior", { event: name })}
          value={face}
          invalid={isFaulty("measure.function")}
          options={faces}
          onChange={(next) => edit(rules.withFace(rule.raw, next as rules.Face, catalog))}
        />
        {entry?.needs_property && (
          <>
            <TextWithSuggestions
              className="cb-property"
              label={t("property_of", { event: name })}
              value={measure.property}
              placeholder={t("choose_property")}
              invalid={isFaulty("measure.property")}
              ask={(text) => properties.filter((one) => one.name.toLowerCase().includes(text.trim().toLowerCase())).slice(0, 20).map((one) => ({ value: one.name, label: one.name, count: one.type }))}
              onChange={(property) => edit(rules.withProperty(rule.raw, property), { key: `${rule.id}.property` })}
            />
            <span className="cb-word">{t("face_in")}</span>
          </>
        )}
        <Field rule={rule} edit={edit} />
        {face !== "did" && face !== "did_not" && (
          <>
            <Select
              label={t("operator_of", { field: name })}
              value={rule.operator}
              invalid={isFaulty("operator")}
              options={operatorOptions(operators, type, editor)}
              onChange={(operator) => edit(rules.withOperator(rule.raw, operator, catalog, type))}
            />
            <ValueControl
              name={name}
              field={rule.field}
              event={event}
              type={type}
              takes={catalog.takes(rule.operator)}
              operator={rule.operator}
              value={rule.value}
              invalid={isFaulty("value")}
              onChange={(value) => edit(withKey(rule.raw, "value", value), { key: `${rule.id}.value` })}
            />
          </>
        )}
      </div>
      <Where id={rule.id} owner={rule.raw} base={base} level={scope.level + path.length - 1} event={event} onChange={edit} />
      {info.count_text && <p className="cb-quiet cb-seen">{info.last_seen ? t("event_seen", { count: info.count_text, at: info.last_seen }) : info.count_text}</p>}
    </div>
  );
}

// --- Sequences ----------------------------------------------------------------------------------

function Sequence({ rule, path, edit }: Props) {
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

/** A name for people: what is said when a node moves. */
export function useNaming(): (node: Rule) => string {
  const { t, catalog } = useEditor();
  return (rule) => (rule.field ? catalog.label(rule.field) : t("unnamed"));
}

export function ruleIcon(rule: Rule): string {
  return isEditable(rule) ? iconOf(rule.field) : "data_object";
}

export function ruleKind(rule: Rule): string {
  return rule.field ? groupOfField(rule.field) : "unset";
}
