// The criteria builder inside the panel: the same island as for segments, which edits one document.

import { useEffect, useRef, useState } from "react";
import { useEditor } from "../editor";
import { isSame, type Json, type JsonObject, isObject, JsonFault, listAt, parse, write } from "../model/json";
import { Icon } from "./basics";

interface BuilderScript {
  mount: (element: HTMLElement) => void;
  unmount: (element: HTMLElement) => void;
}

declare global {
  var criteriaBuilder: BuilderScript | undefined;
}

let opened = 0;

const everyone = (): JsonObject => new Map<string, Json>([["combinator", "and"], ["rules", []]]);

export const isUnset = (document: Json | undefined): boolean => !isObject(document) || !listAt(document, "rules").length;

function ruleCount(document: Json | undefined): number {
  if (!isObject(document)) return 0;
  return listAt(document, "rules").reduce<number>((sum, rule) => sum + (isObject(rule) && rule.has("rules") ? ruleCount(rule) : 1), 0);
}

export function Criteria({ name, document: value, event, onChange }: {
  name: string;
  document: Json | undefined;
  /** The event whose conditions they are; none for criteria over contacts. */
  event?: string;
  onChange: (document: JsonObject) => void;
}) {
  const { t, readOnly, builder } = useEditor();
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  // The builder needs room: the panel is wide while one is open.
  useEffect(() => {
    const panel = box.current?.closest(".jc-panel, .jc-settings .jc-field");
    const note = () => panel?.toggleAttribute("data-wide", panel.querySelector(".jc-criteria[data-open]") !== null);
    note();
    return () => void requestAnimationFrame(note);
  }, [isOpen]);
  const count = ruleCount(value);
  const words = count === 0 ? (event === undefined ? t("criteria_everyone") : t("criteria_any_event")) : count === 1 ? t("criteria_one") : t("criteria_many", { count });
  return (
    <div className="jc-criteria" ref={box} data-open={isOpen || undefined}>
      <div className="jc-criteria-head">
        <span>{words}</span>
        <button type="button" className="jc-button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)} disabled={!builder || (event === "" && !isOpen)}>
          <Icon name={isOpen ? "expand_less" : readOnly ? "visibility" : "edit"} />
          {isOpen ? t("criteria_close") : readOnly ? t("criteria_show") : t("criteria_edit")}
          <span className="jc-hidden"> {name}</span>
        </button>
      </div>
      {isOpen && <Mounted key={event ?? ""} document={value} {...(event === undefined ? {} : { event })} onChange={onChange} />}
    </div>
  );
}

function Mounted({ document: value, event, onChange }: { document: Json | undefined; event?: string; onChange: (document: JsonObject) => void }) {
  const { t, builder, readOnly } = useEditor();
  const place = useRef<HTMLDivElement>(null);
  const island = useRef<HTMLElement | null>(null);
  // What the builder said last: another document comes from elsewhere, as by undo.
  const last = useRef<Json | undefined>(undefined);
  const latest = useRef(onChange);
  latest.current = onChange;

  useEffect(() => {
    const box = place.current;
    if (!box || !builder || !globalThis.criteriaBuilder) return undefined;
    opened += 1;
    const config = document.createElement("script");
    config.type = "application/json";
    config.id = `canvas-criteria-${opened}`;
    const inWhere = event === undefined ? {} : { mode: "where", event, urls: eventUrls(builder.config), templates: [], saved: [] };
    config.textContent = JSON.stringify({ ...builder.config, ...inWhere, read_only: readOnly });
    const field = document.createElement("textarea");
    field.hidden = true;
    const start = isObject(value) ? value : everyone();
    last.current = start;
    field.value = write(start);
    const element = document.createElement("div");
    element.dataset["config"] = config.id;
    // What happens in there is no change of a field of the form.
    const listen = (happened: Event) => {
      happened.stopPropagation();
      try {
        const next = parse(field.value);
        if (!isObject(next) || isSame(next, last.current)) return;
        last.current = next;
        latest.current(next);
      } catch (fault) {
        // Half-written JSON is shown as such by the builder; the drawing keeps what was there.
        if (!(fault instanceof JsonFault)) throw fault;
      }
    };
    box.addEventListener("input", listen);
    box.append(config, field, element);
    globalThis.criteriaBuilder.mount(element);
    island.current = element;
    return () => {
      box.removeEventListener("input", listen);
      globalThis.criteriaBuilder?.unmount(element);
      box.replaceChildren();
      island.current = null;
    };
    // Mounted once: later documents are handed over below.
  }, [builder, event, readOnly]);

  useEffect(() => {
    const now = isObject(value) ? value : everyone();
    if (!island.current || isSame(now, last.current)) return;
    last.current = now;
    island.current.dispatchEvent(new CustomEvent("criteria:replace", { detail: write(now) }));
  }, [value]);

  const saved = event === undefined && !readOnly ? (builder?.saved ?? []) : [];
  return (
    <div className="jc-builder">
      {saved.length > 0 && (
        <label className="jc-saved">
          <span>{t("criteria_saved")}</span>
          <select
            value=""
            onChange={(chosen) => {
              const found = saved.find(({ key }) => key === chosen.target.value);
              if (found) island.current?.dispatchEvent(new CustomEvent("criteria:replace", { detail: found.criteria }));
            }}
          >
            <option value="">{t("criteria_saved_choose")}</option>
            {saved.map(({ key, name }) => <option key={key} value={key}>{name}</option>)}
          </select>
        </label>
      )}
      <div ref={place} />
    </div>
  );
}

function eventUrls(config: Record<string, unknown>): Record<string, unknown> {
  const urls = (config["urls"] ?? {}) as Record<string, unknown>;
  return { values: urls["values"], event: urls["event"] };
}
