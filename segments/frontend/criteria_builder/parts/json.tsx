// The document as text, for experts: line numbers, faults at their lines.

import { useEffect, useRef } from "react";
import { useEditor } from "../editor";
import { JsonFault, write } from "../model/json";
import { lineAt, placeOf, placesOf } from "../model/places";
import type { Version } from "../state";
import type { TextKey } from "../texts";

export function faultText(version: Version, t: ReturnType<typeof useEditor>["t"]): string {
  const { fault } = version;
  if (fault === "shape") return t("json_shape");
  if (!(fault instanceof JsonFault)) return "";
  return t("json_fault", { line: fault.line, column: fault.column, fault: t(`json_${fault.code}` as TextKey) });
}

export function JsonView({ version, onChange, goTo }: {
  version: Version;
  onChange: (text: string) => void;
  /** A path to select, and how often it was asked for. */
  goTo: { path: string; turn: number } | null;
}) {
  const { t, readOnly, problems } = useEditor();
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const { text, fault } = version;
  const places = problems.length ? placesOf(text) : undefined;
  const faulty = new Set(problems.map((problem) => lineAt(text, placeOf(text, problem.path, places))));
  if (fault instanceof JsonFault) faulty.add(fault.line);
  const select = (from: number) => {
    const part = area.current;
    if (!part) return;
    const end = part.value.indexOf("\n", from);
    part.focus();
    part.setSelectionRange(from, end < 0 ? part.value.length : end);
    part.scrollTop = Math.max(0, (lineAt(part.value, from) - 5) * Number.parseFloat(getComputedStyle(part).lineHeight));
  };
  useEffect(() => {
    if (goTo) select(placeOf(area.current?.value ?? "", goTo.path));
  }, [goTo]);
  const message = faultText(version, t);
  return (
    <div className="cb-json">
      <div className="cb-json-editor">
        <div className="cb-gutter" aria-hidden="true" ref={gutter}>
          {text.split("\n").map((_line, index) => (
            // Lines have no identity besides their number.
            <div key={`line-${index + 1}`} data-faulty={faulty.has(index + 1) || undefined}>{index + 1}</div>
          ))}
        </div>
        <textarea
          ref={area}
          aria-label={t("json")}
          aria-invalid={message ? true : undefined}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          wrap="off"
          readOnly={readOnly}
          rows={Math.min(32, Math.max(14, text.split("\n").length + 1))}
          value={text}
          onChange={(event) => onChange(event.target.value)}
          onScroll={(event) => {
            if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <div className="cb-json-foot">
        {message ? (
          <button type="button" className="cb-hint cb-bad" role="alert" onClick={() => fault instanceof JsonFault && select(fault.offset)}>{message}</button>
        ) : <span />}
        {!readOnly && version.raw && (
          <button type="button" className="rg-button rg-tiny" onClick={() => version.raw && onChange(write(version.raw))}>{t("json_format")}</button>
        )}
      </div>
    </div>
  );
}
