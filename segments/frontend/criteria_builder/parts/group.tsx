// Groups: their children with the joins between them, where things can be dropped, what can be added.

import { type KeyboardEvent, type ReactNode, type RefObject, useRef, useState } from "react";
import { useDrag, useDrop } from "react-dnd";
import { type Dragged, type DraggedField, isUnset, ownProblems, pathText, useEditor, useScope } from "../editor";
import { flag, type Group, isGroup, type Node, type Path } from "../model/document";
import * as tree from "../model/tree";
import { type Actions, type Direction, useActions, type Zone } from "./actions";
import { Hint, Icon, Menu, type MenuItem, Select } from "./basics";
import { Message } from "./message";
import { RuleContent, ruleIcon, ruleKind } from "./rule";

const ARROWS: Record<string, Direction> = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" };

type Carried = Dragged | DraggedField;
const isNode = (item: Carried): item is Dragged => "node" in item;

/** Let things be dropped on an element: where to, `place` says at that moment. */
export function useDropPlace(ref: RefObject<HTMLElement | null>, place: (edge: "before" | "after") => Path | Zone, edges: boolean): "before" | "after" | null {
  const editor = useEditor();
  const scope = useScope();
  const actions = useActions();
  const [edge, setEdge] = useState<"before" | "after">("after");
  const edgeAt = (y: number | undefined): "before" | "after" => {
    const box = ref.current?.getBoundingClientRect();
    return edges && box && y !== undefined && y < box.top + box.height / 2 ? "before" : "after";
  };
  const [{ isOver }, drop] = useDrop<Carried, unknown, { isOver: boolean }>({
    accept: ["node", "field"],
    canDrop: (item) => {
      if (item.island !== editor.id || editor.readOnly) return false;
      if (!isNode(item)) return scope.kind === "segment";
      if (item.scope !== scope.id) return false;
      const to = place("after");
      return typeof to === "string" || !tree.isInside(to, item.path);
    },
    hover: (_item, monitor) => {
      if (monitor.isOver({ shallow: true })) setEdge(edgeAt(monitor.getClientOffset()?.y));
    },
    drop: (item, monitor) => {
      if (monitor.didDrop()) return undefined;
      const to = place(edgeAt(monitor.getClientOffset()?.y));
      if (isNode(item)) actions.place(item.node.id, to);
      else actions.addField(item, to);
      return { done: true };
    },
    collect: (monitor) => ({ isOver: monitor.isOver({ shallow: true }) && monitor.canDrop() }),
  });
  drop(ref);
  return isOver ? edge : null;
}

export function GroupBody({ group, path, hidden, isBare = false, zone, empty }: {
  group: Group;
  path: Path;
  hidden: ReadonlySet<number>;
  /** Whether the buttons to add something stand elsewhere. */
  isBare?: boolean;
  zone?: Zone;
  empty?: ReactNode;
}) {
  const { t, readOnly, catalog } = useEditor();
  const scope = useScope();
  const actions = useActions();
  const tail = useRef<HTMLDivElement>(null);
  const shown = group.rules.map((node, index) => ({ node, index })).filter(({ index }) => !hidden.has(index));
  const last = shown.at(-1);
  const end: Path = [...path, last ? last.index + 1 : 0];
  const over = useDropPlace(tail, () => (zone && !shown.length ? zone : end), false);
  const other = group.combinator === "and" ? "or" : "and";
  return (
    <div className="cb-body" data-combinator={group.combinator}>
      {shown.length > 0 && (
        <ul className="cb-list">
          {shown.map(({ node, index }, i) => {
            const before = shown[i - 1];
            return (
              <li key={node.id}>
                {before && (
                  <div className="cb-join">
                    {readOnly ? (
                      <span>{t(group.combinator)}</span>
                    ) : (
                      <button
                        type="button"
                        aria-label={t("join_change", { now: t(group.combinator), other: t(other) })}
                        title={t("join_change", { now: t(group.combinator), other: t(other) })}
                        onClick={() => scope.change(joined(scope.root, path, before.index, index, other, shown.length, zone))}
                      >
                        {t(group.combinator)}
                      </button>
                    )}
                  </div>
                )}
                <NodeCard node={node} path={[...path, index]} actions={actions} />
              </li>
            );
          })}
        </ul>
      )}
      <div className="cb-tail" ref={tail} data-over={over ? "" : undefined} data-empty={!shown.length || undefined}>
        {!shown.length && (empty ?? <p className="cb-quiet cb-block-empty">{t("block_empty")}</p>)}
        {!readOnly && !isBare && (
          <div className="cb-adds">
            <button type="button" className="cb-add" title={t(other === "or" ? "add_criterion_hint" : "add_criterion_hint_any")} onClick={() => actions.addField({ field: scope.kind === "where" ? "properties." : "" }, zone && !shown.length ? zone : end)}>
              <Icon name="add" />
              {t(scope.kind === "where" ? "where_add_property" : "add_criterion")}
            </button>
            {scope.kind === "where" && !catalog.isListed(scope.event) && (
              <button type="button" className="cb-add" onClick={() => actions.addField({ field: "occurred_at" }, end)}>
                <Icon name="schedule" />
                {t("where_add_time")}
              </button>
            )}
            <button type="button" className="cb-add" title={t(other === "or" ? "add_block_hint" : "add_block_hint_all")} onClick={() => actions.addBlock(end)}>
              <Icon name="account_tree" />
              {t("add_block")}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

// The joins of the Include zone must leave alone what is excluded beside it.
function joined(root: Group, path: Path, first: number, second: number, combinator: "and" | "or", shown: number, zone?: Zone): Group {
  if (zone === "include" && shown <= 2) return tree.setIncludeCombinator(root, combinator);
  return tree.join(root, path, first, second, combinator, shown);
}

function NodeCard({ node, path, actions }: { node: Node; path: Path; actions: Actions }) {
  const editor = useEditor();
  const { t, readOnly } = editor;
  const scope = useScope();
  const card = useRef<HTMLDivElement>(null);
  const name = actions.nameOf(node);
  const at = pathText(scope.base, path);
  const parent = path.slice(0, -1);
  const index = path.at(-1) ?? 0;
  const [{ isDragging }, drag, preview] = useDrag(
    () => ({
      type: "node",
      canDrag: !readOnly,
      item: { island: editor.id, scope: scope.id, path, node, name } satisfies Dragged,
      collect: (monitor) => ({ isDragging: monitor.isDragging() }),
    }),
    [readOnly, editor.id, scope.id, path.join(), node, name],
  );
  preview(card);
  const over = useDropPlace(card, (edge) => [...parent, edge === "before" ? index : index + 1], true);
  const onKeyDown = (event: KeyboardEvent) => {
    const direction = ARROWS[event.key];
    if (!direction || !event.altKey || readOnly) return;
    event.preventDefault();
    event.stopPropagation();
    actions.step(path, direction);
  };
  const isDisabled = flag(node, "disabled");
  const problems = isDisabled ? [] : ownProblems(editor.problems, at);
  const faults = problems.filter((problem) => !isUnset(problem));
  const group = isGroup(node) ? node : null;
  const hasMessage = editor.hasMessages && scope.kind === "segment" && !isDisabled;
  const handle = !readOnly && (
    <button
      type="button"
      className="cb-handle"
      data-handle
      ref={(part) => {
        drag(part);
      }}
      aria-label={`${t("drag", { name })}. ${t("drag_hint")}`}
      title={`${t("drag", { name })}. ${t("drag_hint")}`}
    >
      <Icon name="drag_indicator" />
    </button>
  );
  const tools = (
    <span className="cb-tools">
      {isDisabled && <span className="rg-badge">{t("disabled")}</span>}
      <Count path={at} />
      {!readOnly && <Menu label={t("more", { name })} items={menuOf(node, path, actions, t)} />}
    </span>
  );
  return (
    <div
      ref={card}
      className={group ? "cb-group" : "cb-rule"}
      role="group"
      aria-label={name}
      tabIndex={-1}
      data-node={node.id}
      data-path={at}
      data-kind={isGroup(node) ? undefined : scope.kind === "where" ? "condition" : ruleKind(node)}
      data-not={flag(node, "not") || undefined}
      data-disabled={isDisabled || undefined}
      data-faulty={faults.length > 0 || undefined}
      data-unset={problems.length > faults.length || undefined}
      data-dragging={isDragging || undefined}
      data-over={over ?? undefined}
      onKeyDown={onKeyDown}
    >
      {group ? (
        <>
          <header className="cb-group-head">
            {handle}
            <GroupTitle group={group} path={path} />
            {tools}
          </header>
          {hasMessage && <Message node={node} path={path} />}
          <GroupBody group={group} path={path} hidden={NOTHING} />
        </>
      ) : (
        <div className="cb-rule-row">
          {handle}
          {!isGroup(node) && scope.kind === "segment" && (
            <span className="cb-tile">
              <Icon name={ruleIcon(node)} />
            </span>
          )}
          <div className="cb-content">
            {!isGroup(node) && <RuleContent rule={node} path={path} />}
            {!isGroup(node) && hasMessage && <Message node={node} path={path} />}
          </div>
          {tools}
        </div>
      )}
      {faults.map((problem) => (
        <Hint key={problem.path + problem.code} tone="bad">
          {problem.message}
        </Hint>
      ))}
    </div>
  );
}

const NOTHING: ReadonlySet<number> = new Set();

/** What a group asks of its children, and whether it is negated: one switch for each. */
export function GroupTitle({ group, path }: { group: Group; path: Path }) {
  const { t, readOnly } = useEditor();
  const scope = useScope();
  const isNegated = flag(group, "not");
  const options = [["and", t("match_all")], ["or", t("match_any")]] as const;
  return (
    <span className="cb-title">
      {readOnly ? isNegated && <span className="cb-not" data-on>{t("not")}</span> : (
        <button
          type="button"
          className="cb-not"
          aria-pressed={isNegated}
          title={t(isNegated ? "negate_off" : "negate")}
          onClick={() => scope.change(tree.setFlag(scope.root, path, "not", !isNegated))}
        >
          {t("not")}
        </button>
      )}
      {readOnly ? (
        <span className="cb-field cb-fixed">{options.find(([key]) => key === group.combinator)?.[1]}</span>
      ) : (
        <Select label={t("match")} value={group.combinator} options={options} onChange={(next) => scope.change(tree.setCombinator(scope.root, path, next as "and" | "or"))} />
      )}
    </span>
  );
}

export function Count({ path }: { path: string }) {
  const { t, counts } = useEditor();
  const found = counts[path];
  if (!found || found.count === null) return null;
  // What was not counted to the end says so itself: "at least 1,234".
  const { text } = found;
  return (
    <span className="cb-count" title={t("count_here", { count: text })}>
      <Icon name="group" />
      <span className="cb-hidden">{t("count_here", { count: text })}</span>
      <span aria-hidden="true">{text}</span>
    </span>
  );
}

function menuOf(node: Node, path: Path, actions: Actions, t: ReturnType<typeof useEditor>["t"]): (MenuItem | "line")[] {
  const zone = actions.zoneOf(path);
  const isDisabled = flag(node, "disabled");
  const move = (direction: Direction, icon: string, hint: string): MenuItem => ({
    key: direction, icon, hint, label: t(`move_${direction}`), disabled: !actions.canStep(path, direction), run: () => actions.step(path, direction),
  });
  const items: (MenuItem | "line")[] = [
    { key: "duplicate", icon: "content_copy", label: t("duplicate"), run: () => actions.duplicate(path) },
    { key: "disabled", icon: isDisabled ? "visibility" : "visibility_off", label: t(isDisabled ? "enable" : "disable"), run: () => actions.toggle(path, "disabled") },
  ];
  if (isGroup(node)) {
    const isNegated = flag(node, "not");
    items.push(
      { key: "not", icon: "block", label: t(isNegated ? "negate_off" : "negate"), run: () => actions.toggle(path, "not") },
      { key: "ungroup", icon: "unfold_more", label: t("ungroup"), disabled: isNegated, run: () => actions.ungroup(path) },
    );
  } else items.push({ key: "wrap", icon: "account_tree", label: t("wrap"), run: () => actions.wrap(path) });
  items.push("line", move("up", "arrow_upward", "Alt ↑"), move("down", "arrow_downward", "Alt ↓"), move("in", "subdirectory_arrow_right", "Alt →"), move("out", "keyboard_return", "Alt ←"));
  if (zone === "include") items.push({ key: "exclude", icon: "person_remove", label: t("move_exclude"), run: () => actions.place(node.id, "exclude") });
  if (zone === "exclude") items.push({ key: "include", icon: "person_add", label: t("move_include"), run: () => actions.place(node.id, "include") });
  items.push("line", { key: "remove", icon: "delete", label: t("remove"), danger: true, run: () => actions.remove(path) });
  return items;
}
