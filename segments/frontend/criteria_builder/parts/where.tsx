// Conditions on events: one of them, and the tree of them that stands in a rule or a step.

import { useEffect, useState } from "react";
import { type Change, type Scope, ScopeContext, useEditor, useScope } from "../editor";
import { emptyGroup, flag, type Group, groupOf, isShowable, ruleOf, withKey, withKeys } from "../model/document";
import type { JsonObject } from "../model/json";
import * as rules from "../model/rules";
import { insert, setFlag } from "../model/tree";
import type { EventInfo } from "../server";
import { Icon, Select } from "./basics";
import { GroupBody, GroupTitle } from "./group";
import { Opaque, operatorOptions, type RuleProps, useFaulty } from "./rule";
import { TextWithSuggestions } from "./suggest";
import { ValueControl } from "./values";

export function useEvent(name: string): EventInfo {
  const { server, catalog } = useEditor();
  const [info, setInfo] = useState<EventInfo>({ properties: [] });
  const listed = catalog.isListed(name);
  useEffect(() => {
    if (!name || listed) return undefined;
    let isCurrent = true;
    server.event(name).then((found) => {
      if (isCurrent) setInfo(found);
    });
    return () => {
      isCurrent = false;
    };
  }, [server, name, listed]);
  return listed ? { properties: catalog.field(name)?.properties ?? [] } : info;
}

export function Condition({ rule, path, edit }: RuleProps) {
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
          {!catalog.isListed(event) && <button type="button" className="cb-add" onClick={() => add("occurred_at")}><Icon name="schedule" />{t("where_add_time")}</button>}
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
