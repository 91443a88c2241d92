// The settings beside the drawing: the same inputs, over a document of their own.

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Builder, type Editor, EditorContext } from "./editor";
import { Catalog, type FieldSpec } from "./model/catalog";
import { type Activity, drawingOf, emptyDrawing } from "./model/document";
import { isObject, type Json, type JsonObject, parse, withKey, write } from "./model/json";
import { FaultLine } from "./parts/panel";
import { Field } from "./parts/fields";
import { type Fault, Server, type Urls } from "./server";
import { translator } from "./texts";

export interface SettingsConfig {
  fields?: FieldSpec[];
  texts?: Partial<Record<string, string>>;
  urls?: Urls;
  read_only?: boolean;
  language?: string;
  faults?: Fault[];
  names?: Record<string, Record<string, string>>;
  builder?: Builder;
}

const NOTHING = () => undefined;

function readSettings(text: string): JsonObject {
  try {
    const found = text.trim() ? parse(text) : new Map<string, Json>();
    return isObject(found) ? found : new Map<string, Json>();
  } catch {
    // The server wrote it: what is none is of a browser that restored half a form.
    return new Map<string, Json>();
  }
}

export function Settings({ id, config, initial, form, onText, onReady }: {
  id: string;
  config: SettingsConfig;
  initial: string;
  form: HTMLFormElement | null;
  onText: (text: string) => void;
  onReady: (load: (text: string) => void) => void;
}) {
  const t = useMemo(() => translator(config.texts), [config.texts]);
  const [settings, setSettings] = useState(() => readSettings(initial));
  const [faults, setFaults] = useState(config.faults ?? []);
  const [names, setNames] = useState(config.names ?? {});
  const box = useRef<HTMLDivElement>(null);
  const fields = useMemo(() => config.fields ?? [], [config.fields]);
  const catalog = useMemo(() => new Catalog({ kinds: [{ kind: "settings", group: "", label: "", fields, outcomes: [] }] }), [fields]);
  const server = useMemo(() => new Server(config.urls ?? {}, () => form?.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? ""), [config.urls, form]);
  const drawing = useMemo(() => drawingOf(emptyDrawing()), []);
  useEffect(() => onReady((text) => setSettings(readSettings(text))), [onReady]);
  // The canvas asks for the faults of both, and tells them here.
  useEffect(() => {
    const listen = (event: Event) => setFaults((event as CustomEvent<Fault[]>).detail);
    const go = (event: Event) => {
      const name = (event as CustomEvent<string>).detail;
      const place = box.current?.querySelector<HTMLElement>(`[data-field="${CSS.escape(name)}"]`);
      place?.scrollIntoView({ block: "center" });
      place?.querySelector<HTMLElement>("input, select, button")?.focus({ preventScroll: true });
    };
    form?.addEventListener("journey:faults", listen);
    form?.addEventListener("journey:setting", go);
    return () => {
      form?.removeEventListener("journey:faults", listen);
      form?.removeEventListener("journey:setting", go);
    };
  }, [form]);
  const change = (next: JsonObject) => {
    setSettings(next);
    onText(write(next));
  };
  const activity: Activity = useMemo(() => ({ raw: settings, id: `${id}-settings`, kind: "settings", label: "", config: settings, at: null }), [settings, id]);
  const nameOf = useCallback((source: string, key: string) => (Object.hasOwn(names, source) && Object.hasOwn(names[source]!, key) ? names[source]![key]! : key), [names]);
  const editor: Editor = useMemo(
    () => ({
      id, t, catalog, server, drawing, readOnly: Boolean(config.read_only), faults, counts: {}, hasCounts: false, builder: config.builder ?? null, nameOf,
      learn: (source, key, label) => setNames((before) => ({ ...before, [source]: { ...before[source], [key]: label } })),
      selected: new Set<string>(), select: NOTHING, apply: () => false, setDrawing: NOTHING, choose: NOTHING, summary: () => "", number: String,
    }),
    [id, t, catalog, server, drawing, config, faults, nameOf],
  );
  return (
    <EditorContext.Provider value={editor}>
      <div
        className="jc jc-settings" ref={box} role="group" aria-label={t("settings")}
        onKeyDown={(event) => {
          if (event.key === "Enter" && event.target instanceof HTMLInputElement && !(event.target.closest(".jc-builder"))) event.preventDefault();
        }}
      >
        {fields.filter(({ only_with: other }) => !other || settings.has(other)).map((field) => {
          const here = faults.filter(({ node, path }) => node === "" && (path === field.name || path.startsWith(`${field.name}.`)));
          return (
            <div key={field.name} className="jc-field" data-field={field.name} data-type={field.type}>
              <Field
                activity={activity}
                spec={field}
                invalid={here.some(({ severity }) => severity === "error")}
                set={(value) => change(withKey(settings, field.name, value))}
                setConfig={(next) => change(next)}
              />
              {here.map((fault) => <FaultLine key={fault.path + fault.code} message={fault.message} severity={fault.severity} criteria={fault.criteria} />)}
            </div>
          );
        })}
      </div>
    </EditorContext.Provider>
  );
}
