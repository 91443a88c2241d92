// What whom a rule or group refuses is told, under it: a line of text, or the button that opens one.

import { useState } from "react";
import { pathText, useEditor, useScope } from "../editor";
import { isGroup, type Node, type Path, ruleOf, withKey } from "../model/document";
import { isObject } from "../model/json";
import { replace } from "../model/tree";
import { Icon } from "./basics";

export function Message({ node, path }: { node: Node; path: Path }) {
  const { t, readOnly, problems } = useEditor();
  const scope = useScope();
  const [isOpen, setOpen] = useState(false);
  const { raw } = node;
  if (!isObject(raw)) return null;
  const kept = raw.get("message");
  const text = typeof kept === "string" ? kept : "";
  if (readOnly) return text ? <p className="cb-message cb-quiet"><Icon name="chat" />{text}</p> : null;
  if (!text && !isOpen) {
    return <button type="button" className="cb-add cb-message-add" onClick={() => setOpen(true)}><Icon name="chat" />{t("message_add")}</button>;
  }
  const at = `${pathText(scope.base, path)}.message`;
  const write = (found: string) => {
    const changed = withKey(raw, "message", found || undefined);
    const next = isGroup(node) ? { ...node, raw: changed } : ruleOf(changed, node.id);
    scope.change(replace(scope.root, path, next), { key: `${node.id}.message` });
  };
  return (
    <label className="cb-message">
      <Icon name="chat" />
      <span className="cb-hidden">{t("message_of")}</span>
      <input
        type="text"
        className="cb-input"
        maxLength={300}
        placeholder={t("message_placeholder")}
        aria-invalid={problems.some((problem) => problem.path === at) || undefined}
        value={text}
        autoFocus={isOpen}
        onChange={(event) => write(event.target.value)}
        onBlur={() => setOpen(false)}
      />
    </label>
  );
}
