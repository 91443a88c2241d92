// The faults of a document in a list, each of which leads to its place.

import { type Editor, isUnset, useEditor } from "../editor";
import { isObject, type Json, type JsonObject } from "../model/json";
import { stepsOfPath } from "../model/unfinished";
import type { Problem } from "../server";
import { Icon } from "./basics";

export function ProblemList({ problems, raw, onGo }: {
  problems: readonly Problem[];
  /** The document, to name places as people do; without it they are told as paths. */
  raw: JsonObject | null;
  onGo: (problem: Problem) => void;
}) {
  const editor = useEditor();
  const { t } = editor;
  if (!problems.length) return null;
  const isMild = problems.every(isUnset);
  const title = t(problems.length === 1 ? "problems_one" : "problems_many", { count: problems.length });
  return (
    <section className="cb-problems" data-mild={isMild || undefined} aria-label={title}>
      <h3><Icon name={isMild ? "edit_note" : "error"} />{title}</h3>
      <ul>
        {problems.map((problem, index) => (
          <li key={`${problem.path}-${problem.code}-${index}`}>
            <button type="button" data-problem={problem.path} onClick={() => onGo(problem)}>
              {raw ? <strong>{placeName(raw, problem.path, editor)}</strong> : <code>{problem.path || t("whole_document")}</code>}
              <span>{problem.message}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

// "Purchase › amount": the fields on the way to a path.
function placeName(raw: JsonObject, path: string, { t, catalog }: Editor): string {
  const names: string[] = [];
  let part: Json | undefined = raw;
  for (const step of stepsOfPath(path)) {
    part = typeof step === "number" ? (Array.isArray(part) ? part[step] : undefined) : isObject(part) ? part.get(step) : undefined;
    if (!isObject(part)) continue;
    const [field, event] = [part.get("field"), part.get("event")];
    if (typeof field === "string") names.push(field === "occurred_at" ? t("occurred_at") : field && field !== "properties." ? catalog.label(field) : t("unnamed"));
    else if (typeof event === "string" && event) names.push(catalog.label(`event.${event}`));
  }
  return names.join(" › ") || t("whole_document");
}
