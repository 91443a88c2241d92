// Rules as words, where nothing may be changed.

import { pathText, useEditor, useScope } from "../editor";
import type { Path, Rule } from "../model/document";
import { isObject, type Json, type JsonObject } from "../model/json";
import * as rules from "../model/rules";
import type { Translate } from "../texts";
import { faceText } from "./behavior";
import { operatorText } from "./rule";
import { textOf, unitText } from "./values";
import { Where } from "./where";

export function ReadOnlyRule({ rule, path }: { rule: Rule & { raw: JsonObject }; path: Path }) {
  const { t, catalog } = useEditor();
  const scope = useScope();
  const base = pathText(scope.base, path);
  const level = scope.level + path.length - 1;
  const nothing = () => undefined;
  if (scope.kind === "segment" && rule.field === "sequence") {
    return (
      <div className="cb-sequence">
        <ol className="cb-steps">
          {rules.stepsOf(rule.raw).filter(isObject).map((step, index) => {
            const event = textOf(step.get("event"));
            const words = index === 0 ? t("step_first") : t(step.get("not") === true ? "step_not" : "step_then");
            return (
              <li className="cb-step" key={`${rule.id}-${index}`}>
                <span className="cb-step-number" aria-hidden="true">{index + 1}</span>
                <div className="cb-step-body">
                  <div className="cb-line">
                    <span className="cb-word">{words}</span>
                    <strong>{catalog.label(`event.${event}`)}</strong>
                    {step.get("within") !== undefined && <span className="cb-word">{t("step_within")} {durationText(step.get("within"), t)}</span>}
                  </div>
                  <Where id={`${rule.id}.${index}`} owner={step} base={`${base}.steps[${index}]`} level={level} event={event} onChange={nothing} />
                </div>
              </li>
            );
          })}
        </ol>
      </div>
    );
  }
  if (scope.kind === "segment" && catalog.isMeasured(rule.field)) {
    const isListed = catalog.isListed(rule.field);
    const face = rules.faceOf(rule.raw);
    const property = rules.measureOf(rule.raw).property;
    const isPlain = face === "did" || face === "did_not";
    return (
      <div className="cb-behavior">
        <div className="cb-line">
          <span className="cb-word">{(rules.FACES as readonly string[]).includes(face) ? faceText(face as rules.Face, isListed, t) : face}</span>
          {property && <><strong>{property}</strong><span className="cb-word">{t("face_in")}</span></>}
          <strong>{catalog.label(rule.field)}</strong>
          {!isPlain && <Comparison rule={rule} />}
        </div>
        <Where id={rule.id} owner={rule.raw} base={base} level={level} event={isListed ? rule.field : rule.field.slice(6)} onChange={nothing} />
      </div>
    );
  }
  const name = rule.field === "occurred_at" ? t("occurred_at") : rule.field ? catalog.label(rule.field) : t("unnamed");
  return (
    <div className="cb-line">
      <strong>{name}</strong>
      <Comparison rule={rule} />
    </div>
  );
}

function Comparison({ rule }: { rule: Rule }) {
  const editor = useEditor();
  const { t, catalog } = editor;
  const takes = catalog.takes(rule.operator);
  const measured = catalog.isMeasured(rule.field) && isObject(rule.raw) ? catalog.eventFunction(rules.measureOf(rule.raw).function)?.type : undefined;
  const type = measured ?? rules.operatorsOf(rule.field, catalog).type;
  const labels = new Map((catalog.field(rule.field)?.choices ?? []).map((choice) => [choice.key, choice.label]));
  const show = (value: Json | undefined) => labels.get(textOf(value)) ?? (value === true ? t("yes") : value === false ? t("no") : textOf(value));
  const parts = Array.isArray(rule.value) ? rule.value : [rule.value];
  return (
    <>
      <span className="cb-word">{operatorText(rule.operator, type, editor)}</span>
      {takes === "duration" && <strong>{durationText(rule.value, t)}</strong>}
      {takes === "pair" && <strong>{parts.map(show).join(` ${t("between_and")} `)}</strong>}
      {takes === "one" && <strong>{show(rule.value)}</strong>}
      {takes === "list" && parts.map((part, index) => <span className="cb-chip cb-plain" key={`${textOf(part)}-${index}`}>{show(part)}</span>)}
    </>
  );
}

function durationText(value: Json | undefined, t: Translate): string {
  if (!isObject(value)) return textOf(value);
  return `${textOf(value.get("amount"))} ${unitText(textOf(value.get("unit")), t)}`;
}
