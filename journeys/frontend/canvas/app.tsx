// One island: the tool bar, the palette and the list, the stage or the JSON, the panel, the faults.

import { ReactFlowProvider } from "@xyflow/react";
import { type ClipboardEvent, type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Anchor, type Builder, type Change, type Editor, EditorContext, type Slot } from "./editor";
import { Flow, frozen, type Stage } from "./flow";
import { Catalog, type CatalogData } from "./model/catalog";
import * as commands from "./model/commands";
import { type Drawing, drawingOf, emptyDrawing, inOrder, meansSame, type Reading, readText, wayKey } from "./model/document";
import { arrange as arranged } from "./model/layout";
import { summaryOf } from "./model/summary";
import { Icon, IconButton } from "./parts/basics";
import { FaultList } from "./parts/faults";
import { KindMenu, Palette } from "./parts/kinds";
import { Outline } from "./parts/outline";
import { Panel } from "./parts/panel";
import { type Counts, type Fault, Server, type Urls } from "./server";
import { useCounts, useDocument, useFaults } from "./state";
import { type TextKey, type Translate, translator } from "./texts";

export interface Config {
  catalog?: Partial<CatalogData>;
  texts?: Partial<Record<string, string>>;
  urls?: Urls;
  read_only?: boolean;
  language?: string;
  faults?: Fault[];
  counts?: Counts;
  /** What the figures are of, in words, where they are not asked for. */
  counts_of?: string;
  /** How often they are asked for. */
  counts_every_seconds?: number;
  /** Labels of the keys that the drawing names: {"segment": {"vip": "VIP"}}. */
  names?: Record<string, Record<string, string>>;
  builder?: Builder;
}

export interface AppProps {
  id: string;
  config: Config;
  initial: string;
  form: HTMLFormElement | null;
  /** Takes each new text. */
  onText: (text: string) => void;
  /** Hands out what loads another document from outside. */
  onReady: (load: (text: string) => void) => void;
}

const TOAST_MS = 9_000;
const CLIP = "journeys.canvas.copied";

export function App(props: AppProps) {
  return (
    <ReactFlowProvider>
      <Island {...props} />
    </ReactFlowProvider>
  );
}

const settingsOf = (form: HTMLFormElement | null) => form?.querySelector<HTMLTextAreaElement>("textarea[name=settings]")?.value ?? "";
const isText = (target: EventTarget | null) => target instanceof HTMLElement && (target.matches("input:not([type=checkbox], [type=radio]), textarea, select") || target.isContentEditable);
const inBuilder = (target: EventTarget | null) => target instanceof Element && target.closest(".jc-builder") !== null;

function Island({ id, config, initial, form, onText, onReady }: AppProps) {
  const t = useMemo(() => translator(config.texts), [config.texts]);
  const catalog = useMemo(() => new Catalog(config.catalog), [config.catalog]);
  const server = useMemo(() => {
    const token = () => form?.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? "";
    return new Server(config.urls ?? {}, token);
  }, [config, form]);
  const format = useMemo(() => new Intl.NumberFormat(config.language), [config.language]);
  const readOnly = Boolean(config.read_only);
  const doc = useDocument(initial, onText);
  const { now } = doc.history;
  const drawing = useMemo(() => drawingOf(now.raw ?? emptyDrawing()), [now.raw]);
  const [settings, setSettings] = useState(() => settingsOf(form));
  const { faults, isFresh, check } = useFaults(server, now.text, settings, config.faults ?? []);
  const counts = useCounts(server, config.counts ?? {}, config.counts_every_seconds);
  // Figures that came with the page are of the drawing that came with it.
  const counted = useMemo(() => (config.counts && !config.urls?.counts ? drawingOf(readText(initial).raw ?? emptyDrawing()) : null), [config, initial]);
  const isCounted = counted ? meansSame(counted, drawing) : Boolean(config.urls?.counts);
  const [names, setNames] = useState(config.names ?? {});
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isPanel, setPanel] = useState(false);
  const [way, setWay] = useState<string | null>(null);
  const [menu, setMenu] = useState<{ slot: Slot; anchor: Anchor } | null>(null);
  const [side, setSide] = useState<"palette" | "outline">(readOnly ? "outline" : "palette");
  const [isSide, setSideOpen] = useState(false);
  const [isJson, setJson] = useState(!now.raw);
  const [isLarge, setLarge] = useState(false);
  const [spoken, setSpoken] = useState("");
  const [toast, setToast] = useState("");
  const stage = useRef<Stage | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const wanted = useRef<"panel" | { field: string } | null>(null);

  const say = useCallback((text: string) => setSpoken((before) => (before === text ? `${text}\u00a0` : text)), []);
  const complain = useCallback((text: string) => {
    say(text);
    setToast(text);
  }, [say]);
  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(() => setToast(""), TOAST_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  useEffect(() => {
    onReady((text) => {
      doc.setText(text);
      say(t("said_replaced"));
      setJson(false);
    });
  }, [onReady, doc.setText, say, t]);
  // The settings stand beside the drawing, in an island of their own: it is told their faults.
  useEffect(() => {
    const listen = () => setSettings(settingsOf(form));
    form?.addEventListener("input", listen);
    return () => form?.removeEventListener("input", listen);
  }, [form]);
  useEffect(() => {
    form?.dispatchEvent(new CustomEvent("journey:faults", { detail: faults }));
  }, [form, faults]);
  // A button of the page asks for all faults, without saving.
  useEffect(() => {
    const validate = () =>
      void check().then((found) => {
        const errors = found?.filter(({ severity }) => severity === "error").length ?? 0;
        complain(found === null ? t("validate_failed") : errors === 0 ? t("valid") : errors === 1 ? t("faults_one") : t("faults_many", { count: errors }));
        if (errors) frame.current?.querySelector<HTMLElement>(".jc-faults [data-fault]")?.focus();
      });
    form?.addEventListener("journey:validate", validate);
    return () => form?.removeEventListener("journey:validate", validate);
  }, [form, check, complain, t]);
  useEffect(() => {
    document.body.classList.toggle("jc-behind", isLarge);
    return () => document.body.classList.remove("jc-behind");
  }, [isLarge]);

  const select = useCallback((ids: Iterable<string>, isOnlyLooked = false) => {
    const next = new Set(ids);
    setSelected((before) => (before.size === next.size && [...next].every((one) => before.has(one)) ? before : next));
    if (next.size) setWay(null);
    if (!next.size) setPanel(false);
    else if (!isOnlyLooked) setPanel(true);
    const [only] = next;
    if (next.size === 1 && only) requestAnimationFrame(() => stage.current?.reveal(only));
  }, []);
  const setDrawing = useCallback((next: Drawing, change: Change = {}) => {
    doc.setRaw(next.raw, change.key);
    if (change.say) say(change.say);
  }, [doc.setRaw, say]);
  const refuse = useCallback((code: commands.Refusal) => complain(t(`refused_${code}` as TextKey, { limit: catalog.nodeLimit })), [catalog, complain, t]);
  const apply = useCallback((result: commands.Result, change: Change = {}) => {
    if (!commands.isDone(result)) {
      refuse(result.refused);
      return false;
    }
    setDrawing(result.drawing, change);
    if (result.id && change.open !== false) {
      select([result.id]);
      wanted.current = "panel";
    }
    return true;
  }, [refuse, select, setDrawing]);

  // After each drawing of the page, what asked for the focus gets it.
  useEffect(() => {
    const asked = wanted.current;
    const panel = frame.current?.querySelector<HTMLElement>("[data-panel]");
    if (!asked || !panel) return;
    wanted.current = null;
    const inputs = "input, select, textarea, button";
    const within = asked === "panel" ? null : panel.querySelector<HTMLElement>(`[data-field="${CSS.escape(asked.field)}"]`);
    const first = panel.querySelector<HTMLElement>(`[data-field]:not([data-field=label]) :is(${inputs})`) ?? panel.querySelector<HTMLElement>("[data-field=label]");
    const place = within?.matches("input") ? within : (within?.querySelector<HTMLElement>(inputs) ?? first);
    place?.focus({ preventScroll: true });
    place?.scrollIntoView({ block: "nearest" });
  });

  const nameOf = useCallback((source: string, key: string) => (Object.hasOwn(names, source) && Object.hasOwn(names[source]!, key) ? names[source]![key]! : key), [names]);
  const learn = useCallback((source: string, key: string, label: string) => setNames((before) => ({ ...before, [source]: { ...before[source], [key]: label } })), []);
  const summary = useCallback((activityId: string) => {
    const activity = drawing.byId.get(activityId);
    if (!activity) return "";
    const said = (amount: string, unit: string) => {
      const known = ["second", "minute", "hour", "day", "week"].includes(unit) && Number.isFinite(Number(amount));
      return known ? new Intl.NumberFormat(config.language, { style: "unit", unit, unitDisplay: "long" }).format(Number(amount)) : `${amount} ${unit}`;
    };
    return summaryOf(drawing, catalog, activity, {
      nameOf, duration: said, every: (duration) => t("every", { duration }), paths: (count) => (count === 1 ? t("paths_one") : t("paths_many", { count })),
    });
  }, [catalog, config.language, drawing, nameOf, t]);

  const choose = useCallback((slot: Slot, anchor: Anchor) => setMenu({ slot, anchor }), []);
  const closeMenu = useCallback((isDone: boolean) => {
    setMenu((open) => {
      if (!isDone) open?.anchor.focus?.();
      return null;
    });
  }, []);
  const labelOf = (kind: string) => catalog.get(kind)?.label ?? kind;
  const take = (slot: Slot, kind: string) => {
    const change = { say: t("said_added", { name: labelOf(kind) }) };
    if (slot.where === "behind") return apply(commands.addBehind(drawing, catalog, slot.from, slot.outcome, kind), change);
    if (slot.where === "way") return apply(commands.insert(drawing, catalog, slot, kind), change);
    return apply(commands.add(slot.at ? frozen(drawing) : drawing, catalog, kind, slot.at ?? null), change);
  };
  // A kind that is only clicked continues what is selected, else the last activity that goes on.
  const takeNext = (kind: string) => {
    const open = inOrder(drawing).filter((activity) => catalog.leads(activity.kind));
    const source = open.filter(({ id: one }) => selected.has(one)).at(-1) ?? open.at(-1);
    const outcome = source && commands.firstOutcome(drawing, catalog, source);
    setSideOpen(false);
    if (catalog.isEntry(kind) || !source || outcome == null) take({ where: "free" }, kind);
    else take({ where: "behind", from: source.id, outcome }, kind);
  };
  const drop = (kind: string, x: number, y: number) => {
    const hit = document.elementFromPoint(x, y);
    if (!hit || !frame.current?.contains(hit) || !hit.closest(".jc-stage")) return;
    const key = hit.closest<HTMLElement>("[data-way]")?.dataset["way"] ?? hit.closest<HTMLElement>(".react-flow__edge")?.dataset["id"];
    const onto = drawing.ways.find((one) => wayKey(one) === key);
    const activity = hit.closest<HTMLElement>("[data-activity]")?.dataset["activity"];
    const source = activity ? drawing.byId.get(activity) : undefined;
    const named = hit.closest<HTMLElement>("[data-outcome]")?.dataset["outcome"];
    if (onto) take({ where: "way", from: onto.from, outcome: onto.outcome, to: onto.to }, kind);
    else if (source && !catalog.isEntry(kind)) take({ where: "behind", from: source.id, outcome: named ?? commands.firstOutcome(drawing, catalog, source) ?? "next" }, kind);
    else if (drawing.activities.length) take({ where: "free", ...(stage.current ? { at: stage.current.placeAt(x, y) } : {}) }, kind);
    else take({ where: "free" }, kind);
  };
  const remove = (ids: readonly string[]) => {
    if (readOnly || !ids.length) return;
    const name = ids.length === 1 ? catalog.label(drawing.byId.get(ids[0]!)!) : t("panel_many", { count: ids.length });
    setDrawing(commands.remove(drawing, catalog, ids), { say: t("said_removed", { name }) });
    select([]);
  };
  const removeSelected = () => {
    const one = drawing.ways.find((other) => wayKey(other) === way);
    if (selected.size) remove([...selected]);
    else if (one) {
      setDrawing(commands.disconnect(drawing, one), { say: t("said_removed_way") });
      setWay(null);
    }
  };
  const copied = () => (selected.size ? commands.copied(drawing, selected) : "");
  const keepCopy = (text: string) => {
    sessionStorage.setItem(CLIP, text);
    say(t("said_copied", { count: selected.size }));
  };
  const paste = (text: string) => {
    const result = commands.paste(frozen(drawing), catalog, text);
    if (!result) return complain(t("nothing_to_paste"));
    if ("refused" in result) return refuse(result.refused);
    setDrawing(result.drawing, { say: t("said_pasted", { count: result.ids.length }) });
    select(result.ids, result.ids.length > 1);
  };
  const arrange = () => {
    setDrawing(commands.move(drawing, arranged(drawing, stage.current?.heights()).places), { say: t("said_arranged") });
    requestAnimationFrame(() => requestAnimationFrame(() => stage.current?.fit()));
  };
  const undo = () => {
    doc.undo();
    say(t("said_undone"));
  };
  const redo = () => {
    doc.redo();
    say(t("said_redone"));
  };
  const closePanel = () => {
    setPanel(false);
    const [one] = selected;
    if (!one) return;
    const item = frame.current?.querySelector<HTMLElement>(`[data-item="${CSS.escape(one)}"]`) ?? frame.current?.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(one)}"]`);
    item?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (inBuilder(event.target)) return;
    // Enter in a field is no wish to send the whole form.
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) event.preventDefault();
    if (event.key === "Escape") {
      if (isPanel && event.target instanceof Element && event.target.closest("[data-panel]")) closePanel();
      else if (isLarge) setLarge(false);
      return;
    }
    if (readOnly || isText(event.target) || isJson) return;
    const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey;
    const key = event.key.toLowerCase();
    if (isCommand && key === "z" && !event.shiftKey) undo();
    else if (isCommand && (key === "y" || (key === "z" && event.shiftKey))) redo();
    else if (isCommand && key === "a" && event.target instanceof Element && event.target.closest(".jc-stage")) select(drawing.activities.map((one) => one.id), true);
    else if (!isCommand && (event.key === "Delete" || event.key === "Backspace") && (selected.size || way)) removeSelected();
    else if (!isCommand && event.key === "+" && event.target instanceof Element) {
      const node = event.target.closest<HTMLElement>(".react-flow__node");
      const activity = node ? drawing.byId.get(node.dataset["id"] ?? "") : undefined;
      const outcome = activity && commands.firstOutcome(drawing, catalog, activity);
      if (!node || !activity || outcome == null) return;
      choose({ where: "behind", from: activity.id, outcome }, node);
    } else if (event.key === "Enter" && event.target instanceof Element && event.target.matches(".react-flow__node")) {
      const one = (event.target as HTMLElement).dataset["id"];
      if (one) select([one]);
      wanted.current = "panel";
    } else return;
    event.preventDefault();
  };
  const onCopy = (event: ClipboardEvent) => {
    if (isText(event.target) || inBuilder(event.target) || !selected.size || window.getSelection()?.toString()) return;
    event.clipboardData.setData("text/plain", copied());
    keepCopy(copied());
    event.preventDefault();
  };
  const onPaste = (event: ClipboardEvent) => {
    if (readOnly || isJson || isText(event.target) || inBuilder(event.target)) return;
    paste(event.clipboardData.getData("text/plain") || sessionStorage.getItem(CLIP) || "");
    event.preventDefault();
  };
  const goTo = (fault: Fault) => {
    setJson(false);
    if (!drawing.byId.has(fault.node)) {
      form?.dispatchEvent(new CustomEvent("journey:setting", { detail: fault.path.split(".")[0] }));
      return;
    }
    const field = /^config\.([^.[]+)/.exec(fault.path)?.[1];
    wanted.current = field ? { field } : "panel";
    select([fault.node]);
    // Where it is selected already nothing is drawn anew by itself.
    setSpoken((before) => (before === fault.message ? `${fault.message}\u00a0` : fault.message));
  };

  const editor: Editor = useMemo(
    () => ({
      id, t, catalog, server, drawing, readOnly, faults, counts, hasCounts: isCounted, builder: config.builder ?? null,
      nameOf, learn, selected, select, apply, setDrawing, choose, summary, number: (value: number) => format.format(value),
    }),
    [id, t, catalog, server, drawing, readOnly, faults, counts, isCounted, config, nameOf, learn, selected, select, apply, setDrawing, choose, summary, format],
  );
  const entries = catalog.kinds.filter((kind) => catalog.isEntry(kind.kind));
  const isShown = !isJson && now.raw !== null;
  return (
    <EditorContext.Provider value={editor}>
      <div className="jc" ref={frame} data-large={isLarge || undefined} data-read-only={readOnly || undefined} data-checked={isFresh || undefined} role="group" aria-label={t("canvas")} onKeyDown={onKeyDown} onCopy={onCopy} onPaste={onPaste}>
        <div className="jc-bar" role="toolbar" aria-label={t("canvas")}>
          <div className="jc-views" role="group" aria-label={t("view")}>
            <button type="button" aria-pressed={!isJson} onClick={() => setJson(false)}><Icon name="account_tree" /><span>{t("view_canvas")}</span></button>
            <button type="button" aria-pressed={isJson} onClick={() => setJson(true)}><Icon name="data_object" /><span>{t("view_json")}</span></button>
          </div>
          {!readOnly && (
            <div className="jc-tools">
              <IconButton icon="undo" label={t("undo")} disabled={!doc.history.past.length} onClick={undo} />
              <IconButton icon="redo" label={t("redo")} disabled={!doc.history.future.length} onClick={redo} />
              {isShown && (
                <>
                  <IconButton icon="content_copy" label={t("copy")} disabled={!selected.size} onClick={() => keepCopy(copied())} />
                  <IconButton icon="content_paste" label={t("paste")} onClick={() => paste(sessionStorage.getItem(CLIP) ?? "")} />
                  <IconButton icon="delete" label={t("remove")} disabled={!selected.size && !way} onClick={removeSelected} />
                  <IconButton icon="lan" label={t("arrange")} disabled={!drawing.activities.length} onClick={arrange} />
                </>
              )}
            </div>
          )}
          <span className="jc-quiet jc-used">{t("activities_used", { count: drawing.activities.length, limit: Number.isFinite(catalog.nodeLimit) ? catalog.nodeLimit : "∞" })}</span>
          {isShown && <button type="button" className="jc-button jc-side-button" aria-expanded={isSide} onClick={() => setSideOpen(!isSide)}><Icon name="list" />{t("side")}</button>}
          {isShown && <IconButton className="jc-large-button" icon={isLarge ? "close_fullscreen" : "open_in_full"} label={isLarge ? t("shrink") : t("enlarge")} onClick={() => setLarge(!isLarge)} />}
        </div>
        {isShown && config.counts_of && (
          <p className="jc-counts-of" data-older={!isCounted || undefined}><Icon name={isCounted ? "query_stats" : "history"} /><span>{isCounted ? config.counts_of : t("counts_older")}</span></p>
        )}
        {isShown ? (
          <div className="jc-main">
            <div className="jc-side" data-open={isSide || undefined}>
              {!readOnly && (
                <div className="jc-views" role="group" aria-label={t("side")}>
                  <button type="button" aria-pressed={side === "palette"} onClick={() => setSide("palette")}>{t("side_palette")}</button>
                  <button type="button" aria-pressed={side === "outline"} onClick={() => setSide("outline")}>{t("side_outline")}</button>
                </div>
              )}
              {side === "palette" && !readOnly ? (
                <Palette onTake={takeNext} onDrop={drop} />
              ) : (
                <Outline
                  onRemove={(ids) => remove(ids)}
                  onOpen={(one) => {
                    wanted.current = "panel";
                    setSideOpen(false);
                    select([one]);
                  }}
                />
              )}
            </div>
            <div className="jc-area">
              <Flow stage={stage} way={way} onWay={setWay} isLarge={isLarge} isPanel={isPanel} />
              {!drawing.activities.length && (
                <div className="jc-begin">
                  <Icon name="route" />
                  <strong>{readOnly ? t("empty_read_only") : t("empty")}</strong>
                  {!readOnly && <span className="jc-quiet">{t("empty_hint")}</span>}
                  {!readOnly && (
                    <span className="jc-buttons">
                      {entries.map((kind) => (
                        <button key={kind.kind} type="button" className="jc-button" data-begin={kind.kind} onClick={() => take({ where: "free" }, kind.kind)}><Icon name={kind.icon ?? "input"} />{kind.label}</button>
                      ))}
                    </span>
                  )}
                </div>
              )}
              {isPanel && <Panel onClose={closePanel} onRemove={(ids) => remove(ids)} onCopy={() => keepCopy(copied())} />}
            </div>
          </div>
        ) : (
          <JsonView reading={now} t={t} readOnly={readOnly} isAsked={isJson} onChange={(text) => doc.setText(text, "json")} onOpen={() => setJson(true)} />
        )}
        <FaultList onGo={goTo} />
        {menu && <KindMenu slot={menu.slot} anchor={menu.anchor} onClose={closeMenu} onTake={(kind) => { setMenu(null); take(menu.slot, kind); }} />}
        {toast && (
          <div className="jc-toast">
            <span>{toast}</span>
            <button type="button" aria-label={t("dismiss")} onClick={() => setToast("")}><Icon name="close" /></button>
          </div>
        )}
        <div className="jc-hidden" aria-live="polite" data-said>{spoken}</div>
      </div>
    </EditorContext.Provider>
  );
}

function JsonView({ reading, t, readOnly, isAsked, onChange, onOpen }: { reading: Reading; t: Translate; readOnly: boolean; isAsked: boolean; onChange: (text: string) => void; onOpen: () => void }) {
  const fault = reading.fault === "shape" ? t("json_shape") : reading.fault ? t("json_fault", { line: reading.fault.line, column: reading.fault.column }) : "";
  if (!isAsked) {
    return (
      <div className="jc-json jc-not-shown">
        <strong>{t("json_not_shown")}</strong>
        <span>{fault}</span>
        <button type="button" className="jc-button" onClick={onOpen}>{t("json_open")}</button>
      </div>
    );
  }
  return (
    <div className="jc-json">
      <textarea aria-label={t("json")} className="jc-mono" spellCheck={false} readOnly={readOnly} value={reading.text} aria-invalid={fault ? true : undefined} onChange={({ target }) => onChange(target.value)} />
      {fault && <p className="jc-fault" data-severity="error"><Icon name="error" /><span>{fault}</span></p>}
    </div>
  );
}
