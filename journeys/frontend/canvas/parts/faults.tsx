// All faults of the drawing; each leads to its place.

import { useEditor } from "../editor";
import type { Fault } from "../server";
import { Icon } from "./basics";

export function FaultList({ onGo }: { onGo: (fault: Fault) => void }) {
  const { t, faults, catalog, drawing } = useEditor();
  if (!faults.length) return null;
  const errors = faults.filter(({ severity }) => severity === "error").length;
  const warnings = faults.length - errors;
  const heading = [
    errors === 1 ? t("faults_one") : errors > 1 ? t("faults_many", { count: errors }) : "",
    warnings === 1 ? t("warnings_one") : warnings > 1 ? t("warnings_many", { count: warnings }) : "",
  ].filter(Boolean).join(" · ");
  return (
    <details className="jc-faults" open={errors > 0 || undefined}>
      <summary><Icon name={errors ? "error" : "warning"} />{heading}</summary>
      <ul tabIndex={0} aria-label={heading}>
        {faults.map((fault, index) => {
          const activity = drawing.byId.get(fault.node);
          return (
            <li key={index}>
              <button type="button" data-fault={fault.code} data-node={fault.node} data-severity={fault.severity} onClick={() => onGo(fault)}>
                <Icon name={fault.severity === "error" ? "error" : "warning"} />
                <span><strong>{activity ? catalog.label(activity) : /^(?:nodes|edges|$)/.test(fault.path) ? t("whole_drawing") : t("settings")}</strong> {fault.message}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </details>
  );
}
