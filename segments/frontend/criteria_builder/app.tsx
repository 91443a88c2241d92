// One island: the tool bar, the palette and the workspace or the JSON, the faults, the estimate.

import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { DndProvider, useDragLayer } from "react-dnd";
import { HTML5Backend } from "react-dnd-html5-backend";
import { TouchBackend } from "react-dnd-touch-backend";
import { type Change, type Editor, EditorContext, type Scope, ScopeContext } from "./editor";
import { Catalog, type CatalogData } from "./model/catalog";
import type { Group } from "./model/document";
import type { Json } from "./model/json";
import { countRules, heightOf } from "./model/tree";
import { Icon, IconButton } from "./parts/basics";
import { EstimatePanel, shownAnswer, useCountText, useEstimate, type Estimate } from "./parts/estimate";
import { firstControl, focusPath } from "./parts/focus";
import { faultText, JsonView } from "./parts/json";
import { ProblemList } from "./parts/problems";
import { Workspace } from "./parts/workspace";
import { type Problem, Server, type Urls } from "./server";
import { useDocument } from "./state";
import { type Translate, translator } from "./texts";

export interface Config {
  catalog?: Partial<CatalogData>;
  texts?: Partial<Record<string, string>>;
  urls?: Urls;
  csrf?: string;
  read_only?: boolean;
  mode?: "segment" | "where" | "rule";
  segment?: number | string | null;
  language?: string;
  /** The event whose conditions are edited, in the mode "where". */
  event?: string;
  problems?: Problem[];
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

// The way back stays in the tool bar after that.
const TOAST_MS = 12_000;

const isTouch = () => window.matchMedia("(hover: none) and (pointer: coarse)").matches;

export function App(props: AppProps) {
  const [touch] = useState(isTouch);
  return (
    <DndProvider backend={touch ? TouchBackend : HTML5Backend} options={touch ? { delayTouchStart: 180, enableMouseEvents: true } : undefined}>
      <Island {...props} />
      {touch && <Ghost />}
    </DndProvider>
  );
}

// The browser draws what is dragged with a mouse; under a finger this does.
function Ghost() {
  const { item, at } = useDragLayer((monitor) => ({ item: monitor.getItem<{ name: string } | null>(), at: monitor.getClientOffset() }));
  if (!item || !at) return null;
  return <div className="cb-ghost" style={{ translate: `${at.x + 12}px ${at.y + 12}px` }}>{item.name}</div>;
}

function Island({ id, config, initial, form, onText, onReady }: AppProps) {
  const t = useMemo(() => translator(config.texts), [config.texts]);
  const catalog = useMemo(() => new Catalog(config.catalog), [config.catalog]);
  const server = useMemo(() => new Server(config.urls ?? {}, form, config.segment == null ? "" : String(config.segment), config.csrf ?? ""), [config, form]);
  const doc = useDocument(initial, onText);
  const { version, root } = doc;
  const [isJson, setJson] = useState(!root);
  const [spoken, setSpoken] = useState("");
  const [toast, setToast] = useState<{ text: string; hasUndo: boolean } | null>(null);
  const [goTo, setGoTo] = useState<{ path: string; turn: number } | null>(null);
  const isReadable = !version.fault || version.fault === "shape";
  const estimate = useEstimate(server, version.text, isReadable, form);
  const frame = useRef<HTMLDivElement>(null);
  const wanted = useRef<{ id: string; where: "node" | "control" } | null>(null);
  const isWhere = config.mode === "where";
  const readOnly = Boolean(config.read_only);

  const isFresh = estimate.text === version.text;
  const problems = useMemo(() => {
    if (estimate.answer && isFresh) return estimate.answer.problems;
    return estimate.text === "" && version.text === initial ? (config.problems ?? []) : [];
  }, [estimate.answer, estimate.text, isFresh, version.text, initial, config.problems]);

  const say = useCallback((text: string) => setSpoken((before) => (before === text ? `${text}\u00a0` : text)), []);
  useEffect(() => {
    onReady((text) => {
      doc.setText(text);
      say(t("said_replaced"));
      setJson(false);
    });
  }, [onReady, doc.setText, say, t]);

  // A bar of the page's own that stays in sight: ours stays below it.
  useEffect(() => {
    const bar = document.querySelector<HTMLElement>(".rg-formbar");
    const place = () => {
      const isStaying = bar && getComputedStyle(bar).position === "sticky";
      frame.current?.style.setProperty("--cb-top", isStaying ? `${bar.offsetHeight}px` : "0px");
    };
    place();
    window.addEventListener("resize", place);
    return () => window.removeEventListener("resize", place);
  }, []);

  // After each drawing, whatever asked for the focus gets it.
  useEffect(() => {
    const asked = wanted.current;
    if (!asked) return;
    const node = frame.current?.querySelector<HTMLElement>(`[data-node="${asked.id}"]`);
    if (!node) return;
    wanted.current = null;
    const first = asked.where === "control"
      ? firstControl(node)
      : node.querySelector<HTMLElement>("[data-handle]");
    (first ?? node).focus({ preventScroll: false });
    node.scrollIntoView({ block: "nearest" });
  });

  const editor: Editor = useMemo(
    () => ({
      id, t, catalog, server, readOnly, problems,
      hasMessages: config.mode === "rule",
      counts: isFresh ? estimate.counts : {},
      ruleCount: countRules(version.raw ?? undefined),
      say,
      focusLater: (node, where = "node") => {
        wanted.current = { id: node, where };
      },
    }),
    [id, t, catalog, server, readOnly, problems, config.mode, isFresh, estimate.counts, version.raw, say],
  );
  const scope: Scope | null = root && {
    id: `${id}.root`, root, base: "", level: 1, kind: isWhere ? "where" : "segment", event: config.event ?? "", hasZones: !isWhere,
    change: (next: Group, more?: Change) => {
      const refused = refusal(root, next, catalog, t);
      if (refused) {
        say(refused);
        setToast({ text: refused, hasUndo: false });
        return;
      }
      doc.setRoot(next, more?.key);
      if (more?.say) say(more.say);
      setToast(more?.offerUndo && more.say ? { text: more.say, hasUndo: true } : null);
    },
  };

  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(() => setToast(null), TOAST_MS);
    return () => clearTimeout(timer);
  }, [toast]);

  const undo = () => {
    doc.undo();
    setToast(null);
    say(t("said_undone"));
  };
  const redo = () => {
    doc.redo();
    say(t("said_redone"));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter in a field is no wish to send the whole form.
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) event.preventDefault();
    if (readOnly || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    const target = event.target as HTMLElement;
    // In a text the browser's own undo is expected.
    if (target.matches("textarea, input:not([type=button])")) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) undo();
    else if (key === "y" || (key === "z" && event.shiftKey)) redo();
    else return;
    event.preventDefault();
  };
  const goToProblem = (problem: Problem) => {
    if (isJson || !root) {
      setGoTo((before) => ({ path: problem.path, turn: (before?.turn ?? 0) + 1 }));
      return;
    }
    focusPath(frame.current, problem.path);
  };

  const visual = !isJson && scope;
  return (
    <EditorContext.Provider value={editor}>
      <div className="cb" ref={frame} onKeyDown={onKeyDown} data-read-only={readOnly || undefined} data-island={id} role="group" aria-label={t("builder")}>
        <div className="cb-frame">
          <div className="cb-bar">
            <div className="cb-views" role="group" aria-label={t("view")}>
              <button type="button" aria-pressed={!isJson} onClick={() => setJson(false)}><Icon name="account_tree" /><span>{t("view_visual")}</span></button>
              <button type="button" aria-pressed={isJson} onClick={() => setJson(true)}><Icon name="data_object" /><span>{t("view_json")}</span></button>
            </div>
            {!readOnly && (
              <div className="cb-row">
                <IconButton icon="undo" label={t("undo")} disabled={!doc.canUndo} onClick={undo} />
                <IconButton icon="redo" label={t("redo")} disabled={!doc.canRedo} onClick={redo} />
              </div>
            )}
            <span className="cb-quiet cb-used">{t("rules_used", { count: editor.ruleCount, limit: catalog.limits.rules })}</span>
            {estimate.state !== "off" && <LiveCount estimate={estimate} />}
          </div>
          <div className="cb-main" data-palette={(visual && !isWhere && !readOnly) || undefined}>
            {visual ? (
              <ScopeContext.Provider value={scope}>
                <Workspace isWhere={isWhere} frame={frame} />
              </ScopeContext.Provider>
            ) : isJson ? (
              <JsonView version={version} goTo={goTo} onChange={(text) => doc.setText(text, "json")} />
            ) : (
              <div className="cb-empty cb-not-shown">
                <Icon name="data_object" />
                <strong>{t("json_not_shown")}</strong>
                <span>{faultText(version, t)}</span>
                <button type="button" className="rg-button" onClick={() => setJson(true)}>{t("json_open")}</button>
              </div>
            )}
          </div>
          <ProblemList problems={problems} raw={isJson ? null : version.raw} onGo={goToProblem} />
          {estimate.state !== "off" && <EstimatePanel estimate={estimate} isJson={isReadable} />}
        </div>
        {toast && (
          <div className="cb-toast">
            <span>{toast.text}</span>
            {toast.hasUndo && <button type="button" onClick={undo}>{t("undo")}</button>}
            <button type="button" aria-label={t("dismiss")} onClick={() => setToast(null)}><Icon name="close" /></button>
          </div>
        )}
        <div className="cb-hidden" aria-live="polite" data-said>{spoken}</div>
      </div>
    </EditorContext.Provider>
  );
}

// Why a tree may not grow so: one that is too large already may still be changed and made smaller.
function refusal(before: Group, after: Group, { limits }: Catalog, t: Translate): string {
  const isMore = (size: (raw: Json) => number, limit: number) => size(after.raw) > Math.max(limit, size(before.raw));
  if (isMore(countRules, limits.rules)) return t("limit_rules", { limit: limits.rules });
  if (isMore(heightOf, limits.levels)) return t("limit_levels", { limit: limits.levels });
  return "";
}

function LiveCount({ estimate }: { estimate: Estimate }) {
  const text = useCountText(estimate);
  const answer = shownAnswer(estimate);
  return (
    <span className="cb-live" aria-hidden="true" data-state={estimate.state}>
      <Icon name="group" />
      <strong>{text}</strong>
      {answer?.share && <span>{answer.share}</span>}
    </span>
  );
}
