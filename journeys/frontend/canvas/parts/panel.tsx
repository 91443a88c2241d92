// The panel of what is selected: what an activity is told, its faults, and where its ways lead.

import { useEffect, useRef, useState } from "react";
import { useEditor } from "../editor";
import * as commands from "../model/commands";
import { type Activity, targets, type Way } from "../model/document";
import { type JsonObject, num, type Json, withKey } from "../model/json";
import { Icon, IconButton } from "./basics";
import { Field } from "./fields";

export function Panel({ onClose, onRemove, onCopy }: { onClose: () => void; onRemove: (ids: string[]) => void; onCopy: () => void }) {
  const { t, drawing, selected, catalog, readOnly } = useEditor();
  const activities = drawing.activities.filter(({ id }) => selected.has(id));
  const one = activities.length === 1 ? activities[0] : undefined;
  const spec = one && catalog.get(one.kind);
  if (!activities.length) return null;
  return (
    <aside className="jc-panel" aria-label={one ? t("panel", { name: catalog.label(one) }) : t("panel_many", { count: activities.length })} data-panel>
      <header>
        {spec && <span className="jc-node-icon" data-group={spec.group}><Icon name={spec.icon ?? "help"} /></span>}
        <h3>{one ? (spec?.label ?? t("unknown_kind", { kind: one.kind })) : t("panel_many", { count: activities.length })}</h3>
        {!readOnly && <IconButton icon="content_copy" label={t("copy")} onClick={onCopy} />}
        {!readOnly && <IconButton icon="delete" label={t("remove")} onClick={() => onRemove(activities.map(({ id }) => id))} />}
        <IconButton icon="close" label={t("panel_close")} onClick={onClose} />
      </header>
      {one && <Told key={one.id} activity={one} />}
    </aside>
  );
}

function Told({ activity }: { activity: Activity }) {
  const editor = useEditor();
  const { t, catalog, drawing, faults, readOnly, counts } = editor;
  const spec = catalog.get(activity.kind);
  const own = faults.filter(({ node }) => node === activity.id);
  const faultsOf = (name: string) => own.filter(({ path }) => path === `config.${name}` || path.startsWith(`config.${name}.`) || path.startsWith(`config.${name}[`));
  const shown = new Set<string>();
  const setConfig = (config: JsonObject, renamed: [string, string][] = [], key?: string) => editor.setDrawing(commands.configure(drawing, catalog, activity.id, config, renamed), key === undefined ? {} : { key });
  const oneOf = spec?.one_of ?? [];
  const chosen = oneOf.find((name) => activity.config.has(name)) ?? oneOf[0];
  const fields = (spec?.fields ?? []).filter((field) => !oneOf.includes(field.name) || field.name === chosen).filter(({ only_with: other }) => !other || (activity.config.get(other) ?? null) !== null);
  return (
    <div className="jc-panel-body">
      {spec?.description && <p className="jc-quiet">{spec.description}</p>}
      {counts[activity.id]?.url && <p><a className="jc-link" href={counts[activity.id]!.url}>{t("who_stands_here")}</a></p>}
      <label className="jc-row">
        <span className="jc-label">{t("label")}</span>
        <input type="text" maxLength={200} data-field="label" disabled={readOnly} value={activity.label} placeholder={spec?.label} onChange={({ target }) => editor.setDrawing(commands.setLabel(drawing, activity.id, target.value), { key: `${activity.id}.label` })} />
      </label>
      {oneOf.length > 0 && (
        <div className="jc-choice" role="radiogroup" aria-label={spec?.label}>
          {(spec?.fields ?? []).filter(({ name }) => oneOf.includes(name)).map((field) => (
            <label key={field.name}>
              <input type="radio" name={`${activity.id}-one`} disabled={readOnly} checked={chosen === field.name} onChange={() => setConfig(initial(field.type, oneOf.reduce((config, name) => withKey(config, name, undefined), activity.config), field.name))} />
              {field.label}
            </label>
          ))}
        </div>
      )}
      {fields.map((field) => {
        const here = faultsOf(field.name);
        for (const fault of here) shown.add(`${fault.path} ${fault.code}`);
        return (
          <div key={field.name} className="jc-field" data-field={field.name} data-type={field.type}>
            <Field
              activity={activity}
              spec={field}
              invalid={here.some(({ severity }) => severity === "error")}
              set={(value, key) => setConfig(withKey(activity.config, field.name, value), [], key)}
              setConfig={setConfig}
            />
            {here.map((fault) => <FaultLine key={fault.path + fault.code} message={fault.message} severity={fault.severity} criteria={fault.criteria} />)}
          </div>
        );
      })}
      {!spec && <p className="jc-quiet">{t("unknown_kept")}</p>}
      {own.filter((fault) => !shown.has(`${fault.path} ${fault.code}`)).map((fault) => <FaultLine key={fault.path + fault.code} message={fault.message} severity={fault.severity} criteria={fault.criteria} />)}
      <Ways activity={activity} />
      <Name activity={activity} />
    </div>
  );
}

// What a choice between fields begins with.
function initial(type: string, config: JsonObject, name: string): JsonObject {
  const object = (...entries: [string, Json][]): JsonObject => new Map<string, Json>(entries);
  if (type === "duration") return withKey(config, name, object(["amount", num(1)], ["unit", "day"]));
  if (type === "until") return withKey(config, name, object(["time", "09:00"], ["zone", "contact"]));
  return withKey(config, name, "");
}

export function FaultLine({ message, severity, criteria = [] }: { message: string; severity: string; criteria?: { path: string; message: string }[] | undefined }) {
  return (
    <div className="jc-fault" data-severity={severity}>
      <Icon name={severity === "error" ? "error" : "warning"} />
      <span>
        {message}
        {criteria.map((fault) => <span key={fault.path} className="jc-fault-part">{fault.message}</span>)}
      </span>
    </div>
  );
}

/** Where each way out leads: all that can be drawn with a mouse can be chosen here. */
function Ways({ activity }: { activity: Activity }) {
  const editor = useEditor();
  const { t, catalog, drawing, readOnly } = editor;
  const outcomes = catalog.outcomes(drawing, activity);
  const coming = drawing.ways.filter(({ to }) => to === activity.id);
  if (!outcomes.length && !coming.length) return null;
  const name = (id: string) => catalog.label(drawing.byId.get(id)!);
  const open = (id: string) => editor.select([id]);
  const cut = (way: { from: string; outcome: string; to: string }) => editor.setDrawing(commands.disconnect(drawing, way), { say: t("said_disconnected", { from: name(way.from), to: name(way.to) }) });
  return (
    <section className="jc-ways" aria-label={t("ways")}>
      <h4>{t("ways")}</h4>
      {outcomes.map(({ name: outcome, label }) => {
        const there = targets(drawing, activity.id, outcome);
        const offered = drawing.activities.filter(({ id }) => !there.some((one) => one.id === id) && !commands.connectionFault(drawing, catalog, activity.id, id));
        return (
          <div key={outcome} className="jc-ways-of" data-outcome={outcome}>
            <span className="jc-label">{label}</span>
            <ul>
              {there.map((target) => (
                <li key={target.id}>
                  <button type="button" className="jc-link" onClick={() => open(target.id)}>{catalog.label(target)}</button>
                  {!readOnly && <IconButton icon="link_off" label={t("disconnect", { to: catalog.label(target) })} onClick={() => cut({ from: activity.id, outcome, to: target.id })} />}
                </li>
              ))}
              {!there.length && <li className="jc-quiet">{t("ends_here")}</li>}
            </ul>
            {!readOnly && (
              <span className="jc-pair">
                <select
                  aria-label={t("connect_to", { way: label })}
                  value=""
                  onChange={({ target }) => editor.apply(commands.connect(drawing, catalog, activity.id, outcome, target.value), { say: t("said_connected", { from: catalog.label(activity), to: name(target.value) }) })}
                >
                  <option value="">{t("connect")}</option>
                  {offered.map((other) => <option key={other.id} value={other.id}>{catalog.label(other)}{offered.some((same) => same !== other && catalog.label(same) === catalog.label(other)) ? ` (${other.id})` : ""}</option>)}
                </select>
                <IconButton icon="add" label={t("add_behind", { name: catalog.label(activity), way: label })} onClick={(event) => editor.choose({ where: "behind", from: activity.id, outcome }, event.currentTarget)} />
              </span>
            )}
          </div>
        );
      })}
      {coming.length > 0 && (
        <div className="jc-ways-of">
          <span className="jc-label">{t("comes_from")}</span>
          <ul>
            {coming.map((way: Way) => (
              <li key={way.from + way.outcome}>
                <button type="button" className="jc-link" onClick={() => open(way.from)}>{name(way.from)}{way.outcome === "next" ? "" : `: ${catalog.outcomeLabel(way.outcome)}`}</button>
                {!readOnly && <IconButton icon="add" label={t("insert_between", { from: name(way.from), to: catalog.label(activity) })} onClick={(event) => editor.choose({ where: "way", from: way.from, outcome: way.outcome, to: way.to }, event.currentTarget)} />}
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

function Name({ activity }: { activity: Activity }) {
  const editor = useEditor();
  const { t, drawing, readOnly } = editor;
  const [text, setText] = useState(activity.id);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => setText(activity.id), [activity.id]);
  const keep = () => {
    const next = commands.rename(drawing, activity.id, text.trim());
    if (next === drawing) setText(activity.id);
    else {
      editor.setDrawing(next, { say: t("said_renamed", { id: text.trim() }) });
      editor.select([text.trim()]);
    }
  };
  return (
    <label className="jc-row jc-id">
      <span className="jc-label">{t("id")}</span>
      <input ref={field} type="text" className="jc-mono" maxLength={63} spellCheck={false} disabled={readOnly} value={text} onChange={({ target }) => setText(target.value)} onBlur={keep} onKeyDown={(event) => event.key === "Enter" && keep()} />
      <span className="jc-help">{t("id_help")}</span>
    </label>
  );
}

