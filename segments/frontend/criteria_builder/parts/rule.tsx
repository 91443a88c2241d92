// One rule as a line of words with controls in it. What is asked about events has files of its own.

import { type Change, type Editor, isUnset, ownProblems, pathText, useEditor, useScope } from "../editor";
import { groupOfField, iconOf } from "../model/catalog";
import { isEditable, type Path, type Rule, ruleOf, withKey } from "../model/document";
import type { Json, JsonObject } from "../model/json";
import * as rules from "../model/rules";
import { replace } from "../model/tree";
import type { TextKey } from "../texts";
import { Select } from "./basics";
import { Behavior } from "./behavior";
import { FieldPicker } from "./fields";
import { ReadOnlyRule } from "./reading";
import { Sequence } from "./sequence";
import { textOf, ValueControl } from "./values";
import { Condition } from "./where";

export type Edit = (raw: JsonObject, more?: Change) => void;

export function RuleContent({ rule, path }: { rule: Rule; path: Path }) {
  const { readOnly, catalog } = useEditor();
  const scope = useScope();
  if (!isEditable(rule)) return <Opaque value={rule.raw} />;
  if (readOnly) return <ReadOnlyRule rule={rule} path={path} />;
  const edit: Edit = (raw, more) => scope.change(replace(scope.root, path, ruleOf(raw, rule.id)), more);
  if (scope.kind === "where") return <Condition rule={rule} path={path} edit={edit} />;
  if (rule.field === "sequence") return <Sequence rule={rule} path={path} edit={edit} />;
  if (catalog.isMeasured(rule.field)) return <Behavior rule={rule} path={path} edit={edit} />;
  return <FieldRule rule={rule} path={path} edit={edit} />;
}

/** What no control can show: as it was written. */
export function Opaque({ value }: { value: Json }) {
  const { t } = useEditor();
  return (
    <div className="cb-line cb-raw">
      <code>{textOf(value)}</code>
      <span className="cb-quiet">{t("opaque")}</span>
    </div>
  );
}

export interface RuleProps {
  rule: Rule & { raw: JsonObject };
  path: Path;
  edit: Edit;
}

export function useFaulty(path: Path): (key: string) => boolean {
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

export function operatorOptions(operators: string[], type: string, editor: Editor): [string, string][] {
  return operators.map((operator) => [operator, operatorText(operator, type, editor)]);
}

/** The name of a field as a button that changes it; a link to fill it in where there is none. */
export function Field({ rule, edit }: { rule: Rule & { raw: JsonObject }; edit: Edit }) {
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

function FieldRule({ rule, path, edit }: RuleProps) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const isFaulty = useFaulty(path);
  const name = rule.field ? catalog.label(rule.field) : t("unnamed");
  const { type, operators } = rules.operatorsOf(rule.field, catalog);
  const entry = catalog.field(rule.field);
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
            choices={entry?.choices}
            invalid={isFaulty("value")}
            onChange={(value) => edit(withKey(rule.raw, "value", value), { key: `${rule.id}.value` })}
          />
          {entry?.hint && <span className="cb-quiet">{entry.hint}</span>}
        </>
      )}
    </div>
  );
}

export function ruleIcon(rule: Rule): string {
  return isEditable(rule) ? iconOf(rule.field) : "data_object";
}

export function ruleKind(rule: Rule): string {
  return rule.field ? groupOfField(rule.field) : "unset";
}
