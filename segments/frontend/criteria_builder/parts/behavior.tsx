// What somebody did, how often, for how much, when: a measure over events, as a sentence.

import { pathText, useEditor, useScope } from "../editor";
import { withKey } from "../model/document";
import * as rules from "../model/rules";
import type { Translate } from "../texts";
import { Select } from "./basics";
import { Field, operatorOptions, type RuleProps, useFaulty } from "./rule";
import { TextWithSuggestions } from "./suggest";
import { ValueControl } from "./values";
import { useEvent, Where } from "./where";

/** A face in words: people do things, orders have them. */
export function faceText(face: rules.Face, isListed: boolean, t: Translate): string {
  if (isListed && face === "did") return t("face_has");
  if (isListed && face === "did_not") return t("face_has_not");
  return t(`face_${face}`);
}

export function Behavior({ rule, path, edit }: RuleProps) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const scope = useScope();
  const isFaulty = useFaulty(path);
  const isListed = catalog.isListed(rule.field);
  const event = isListed ? rule.field : rule.field.slice("event.".length);
  const info = useEvent(event);
  const face = rules.faceOf(rule.raw);
  const measure = rules.measureOf(rule.raw);
  const entry = catalog.eventFunction(measure.function);
  const type = entry?.type ?? "number";
  const name = catalog.label(rule.field);
  const faces = (isListed ? rules.LISTED_FACES : rules.FACES).map((key) => [key, faceText(key, isListed, t)] as const);
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
