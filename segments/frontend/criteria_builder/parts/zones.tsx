// The workspace: whom to include and whom to exclude.

import { type ReactNode, useRef } from "react";
import { isUnset, ownProblems, pathText, useEditor, useScope } from "../editor";
import { flag, type Group, type Path } from "../model/document";
import * as tree from "../model/tree";
import { useActions, type Zone } from "./actions";
import { Hint, Icon, Menu, Select } from "./basics";
import { Count, GroupBody, GroupTitle, useDropPlace } from "./group";

const NOTHING: ReadonlySet<number> = new Set();

export function Zones() {
  const scope = useScope();
  const zones = tree.zonesOf(scope.root);
  return (
    <div className="cb-zones">
      <IncludeZone zones={zones} />
      <ExcludeZone zones={zones} />
    </div>
  );
}

function Frame({ zone, title, path, children, tools, drop }: {
  zone: Zone | "conditions";
  title: ReactNode;
  path: string;
  children: ReactNode;
  tools?: ReactNode;
  drop?: Zone;
}) {
  const { t, problems } = useEditor();
  const scope = useScope();
  const part = useRef<HTMLElement>(null);
  const over = useDropPlace(part, () => drop ?? [scope.root.rules.length], false);
  const faults = ownProblems(problems, path).filter((problem) => !isUnset(problem));
  const icons = { include: "person_add", exclude: "person_remove", conditions: "filter_alt" };
  return (
    <section className={`cb-zone cb-${zone}`} ref={part} data-over={over ? "" : undefined} data-zone={zone} data-path={path} tabIndex={-1} aria-label={t(zone)}>
      <header className="cb-zone-head">
        <span className="cb-zone-icon"><Icon name={icons[zone]} /></span>
        <span className="cb-zone-title">
          <strong>{t(zone)}</strong>
          {title}
        </span>
        <span className="cb-tools">{tools}</span>
      </header>
      {zone !== "exclude" && faults.map((problem) => <Hint key={problem.path + problem.code} tone="bad">{problem.message}</Hint>)}
      {children}
    </section>
  );
}

function Empty({ icon, title, hint }: { icon: string; title: string; hint: string }) {
  return (
    <div className="cb-empty">
      <Icon name={icon} />
      <strong>{title}</strong>
      <span>{hint}</span>
    </div>
  );
}

function Match({ zone, group, onChange }: { zone: "include" | "exclude" | "conditions"; group: Group; onChange: (combinator: "and" | "or") => void }) {
  const { t, readOnly } = useEditor();
  const options = [["and", t(`${zone}_all`)], ["or", t(`${zone}_any`)]] as const;
  if (readOnly) return <span className="cb-word">{options.find(([key]) => key === group.combinator)?.[1]}</span>;
  return <Select label={`${t(zone)}: ${t("match")}`} value={group.combinator} options={options} onChange={(next) => onChange(next as "and" | "or")} />;
}

function IncludeZone({ zones }: { zones: tree.Zones }) {
  const { t, readOnly } = useEditor();
  const scope = useScope();
  const group = tree.groupAt(scope.root, zones.include);
  if (!group) return null;
  const isNegated = flag(group, "not");
  const shown = group.rules.length - (zones.include.length ? 0 : zones.hidden.size);
  const nobody = group.combinator === "or";
  return (
    <Frame
      zone="include"
      drop="include"
      path={pathText(scope.base, zones.include)}
      title={
        <>
          {isNegated && (
            <button
              type="button"
              className="cb-not"
              aria-pressed="true"
              disabled={readOnly}
              title={t("negate_off")}
              onClick={() => scope.change(tree.setFlag(scope.root, zones.include, "not", false))}
            >
              {t("not")}
            </button>
          )}
          {(shown > 1 || nobody) && <Match zone="include" group={group} onChange={(next) => scope.change(tree.setIncludeCombinator(scope.root, next))} />}
        </>
      }
      tools={zones.include.length > 0 && <Count path={pathText(scope.base, zones.include)} />}
    >
      <GroupBody
        group={group}
        path={zones.include}
        hidden={zones.hidden}
        zone="include"
        empty={nobody ? <Empty icon="person_off" title={t("include_nobody")} hint={t("include_nobody_hint")} /> : <Empty icon="groups" title={t("include_empty")} hint={t("include_empty_hint")} />}
      />
    </Frame>
  );
}

function ExcludeZone({ zones }: { zones: tree.Zones }) {
  const { t, readOnly } = useEditor();
  const scope = useScope();
  const actions = useActions();
  const [first] = zones.exclude;
  const only = zones.exclude.length === 1 && first ? tree.groupAt(scope.root, first) : undefined;
  const empty = <Empty icon="person_remove" title={t("exclude_empty")} hint={t("exclude_empty_hint")} />;
  if (readOnly && !first) return null;
  return (
    <Frame
      zone="exclude"
      drop="exclude"
      path={first ? pathText(scope.base, first) : `${scope.base}#exclude`}
      title={only && only.rules.length > 1 ? <Match zone="exclude" group={only} onChange={(next) => scope.change(tree.setCombinator(scope.root, first ?? [], next))} /> : null}
    >
      {!first && (
        <div className="cb-body">
          <div className="cb-tail" data-empty>
            {empty}
            <div className="cb-adds">
              <button type="button" className="cb-add" onClick={() => actions.addField({ field: "" }, "exclude")}>
                <Icon name="add" />
                {t("add_exclusion")}
              </button>
            </div>
          </div>
        </div>
      )}
      {only && first && (
        <div data-node={only.id} tabIndex={-1} className="cb-zone-body">
          <GroupBody group={only} path={first} hidden={NOTHING} zone="exclude" empty={empty} />
        </div>
      )}
      {zones.exclude.length > 1 && (
        <div className="cb-body" data-combinator="or">
          <ul className="cb-list">
            {zones.exclude.map((path, index) => (
              <li key={tree.nodeAt(scope.root, path)?.id}>
                {index > 0 && <div className="cb-join"><span>{t("or")}</span></div>}
                <ExcludedGroup path={path} />
              </li>
            ))}
          </ul>
        </div>
      )}
    </Frame>
  );
}

// One of several exclusions. Its `not` is said by the zone.
function ExcludedGroup({ path }: { path: Path }) {
  const { t, readOnly } = useEditor();
  const scope = useScope();
  const actions = useActions();
  const group = tree.groupAt(scope.root, path);
  if (!group) return null;
  return (
    <div className="cb-group" role="group" aria-label={t("block")} data-node={group.id} data-path={pathText(scope.base, path)} tabIndex={-1}>
      <header className="cb-group-head">
        <span className="cb-zone-title">
          {group.rules.length > 1 ? <Match zone="exclude" group={group} onChange={(next) => scope.change(tree.setCombinator(scope.root, path, next))} /> : <span className="cb-word">{t("exclude_one")}</span>}
        </span>
        <span className="cb-tools">
          {!readOnly && (
            <Menu
              label={t("more", { name: t("block") })}
              items={[
                { key: "duplicate", icon: "content_copy", label: t("duplicate"), run: () => actions.duplicate(path) },
                { key: "disabled", icon: "visibility_off", label: t("disable"), run: () => actions.toggle(path, "disabled") },
                { key: "not", icon: "person_add", label: t("move_include"), run: () => actions.toggle(path, "not") },
                "line",
                { key: "remove", icon: "delete", label: t("remove"), danger: true, run: () => actions.remove(path) },
              ]}
            />
          )}
        </span>
      </header>
      <GroupBody group={group} path={path} hidden={NOTHING} />
    </div>
  );
}

/** The one zone of conditions on an event. */
export function ConditionsZone() {
  const scope = useScope();
  const { root } = scope;
  return (
    <div className="cb-zones">
      <Frame zone="conditions" path={scope.base} title={flag(root, "not") || root.rules.length > 1 ? <GroupTitle group={root} path={[]} /> : <Match zone="conditions" group={root} onChange={(next) => scope.change(tree.setCombinator(root, [], next))} />}>
        <GroupBody group={root} path={[]} hidden={NOTHING} />
      </Frame>
    </div>
  );
}
