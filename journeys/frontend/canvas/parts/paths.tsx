// Paths of conditions and splits: each has a name, which is a way out, and who goes there.

import { useEditor } from "../editor";
import { isObject, type Json, type JsonObject, listAt, num, Num, textAt, withKey } from "../model/json";
import { Icon, IconButton } from "./basics";
import { type FieldProps, NumberInput } from "./fields";
import { PathForm } from "./forms";

const object = (...entries: [string, Json][]): JsonObject => new Map<string, Json>(entries);

function freeName(paths: readonly Json[], wish: string, taken: readonly string[] = []): string {
  const names = new Set([...taken, ...paths.map((path) => (isObject(path) ? textAt(path, "name") : ""))]);
  for (let number = 1; ; number += 1) if (!names.has(`${wish}_${number}`)) return `${wish}_${number}`;
}

function usePaths({ activity, spec, setConfig }: FieldProps) {
  const paths = listAt(activity.config, spec.name);
  const put = (next: Json[], renamed?: [string, string][], key?: string) => setConfig(withKey(activity.config, spec.name, next), renamed, key);
  return {
    paths, put,
    change: (index: number, path: Json, key?: string) => put(paths.map((one, at) => (at === index ? path : one)), undefined, key),
    rename: (index: number, path: JsonObject, name: string) => {
      const old = textAt(path, "name");
      // Two paths of one name would share their way; an empty one has none.
      if (!name || paths.some((one, at) => at !== index && isObject(one) && textAt(one, "name") === name)) return;
      put(paths.map((one, at) => (at === index ? withKey(path, "name", name) : one)), [[old, name]], `${activity.id}.${spec.name}.${index}.name`);
    },
    move: (index: number, by: number) => {
      const next = [...paths];
      const [path] = next.splice(index, 1);
      next.splice(index + by, 0, path!);
      put(next);
    },
    remove: (index: number) => put(paths.filter((_path, at) => at !== index)),
  };
}

export function CriteriaPaths(props: FieldProps) {
  const { t, readOnly } = useEditor();
  const { paths, change, rename, move, remove, put } = usePaths(props);
  const { activity, spec } = props;
  return (
    <fieldset className="jc-row">
      <legend>{spec.label}</legend>
      <ol className="jc-paths">
        {paths.map((path, index) =>
          isObject(path) ? (
            <li key={index} data-field-path={`${spec.name}[${index}]`}>
              <div className="jc-path-head">
                <input type="text" aria-label={t("path_name", { number: index + 1 })} maxLength={63} disabled={readOnly} value={textAt(path, "name")} onChange={({ target }) => rename(index, path, target.value)} />
                {!readOnly && (
                  <>
                    <IconButton icon="arrow_upward" label={t("path_up", { name: textAt(path, "name") })} disabled={index === 0} onClick={() => move(index, -1)} />
                    <IconButton icon="arrow_downward" label={t("path_down", { name: textAt(path, "name") })} disabled={index === paths.length - 1} onClick={() => move(index, 1)} />
                    <IconButton icon="delete" label={t("path_remove", { name: textAt(path, "name") })} onClick={() => remove(index)} />
                  </>
                )}
              </div>
              <PathForm path={path} onChange={(next, form) => change(index, next, form && `${activity.id}.${spec.name}.${index}.${form}`)} />
            </li>
          ) : (
            <li key={index}><code>{t("unreadable")}</code></li>
          ),
        )}
      </ol>
      {!readOnly && (
        <button type="button" className="jc-button" onClick={() => put([...paths, object(["name", freeName(paths, t("path_word"), ["else", "next"])], ["criteria", object(["combinator", "and"], ["rules", []])])])}>
          <Icon name="add" />{t("path_add")}
        </button>
      )}
      {spec.help && <span className="jc-help">{spec.help}</span>}
    </fieldset>
  );
}

export function PercentPaths(props: FieldProps) {
  const { t, readOnly, number } = useEditor();
  const { paths, change, rename, remove, put } = usePaths(props);
  const { activity, spec } = props;
  const shares = paths.map((path) => (isObject(path) && path.get("percent") instanceof Num ? Number((path.get("percent") as Num).text) : 0));
  // Hundredths at the finest.
  const sum = Math.round(shares.reduce((all, one) => all + one, 0) * 100) / 100;
  const share = () => {
    const each = Math.floor(100 / paths.length);
    put(paths.map((path, index) => (isObject(path) ? withKey(path, "percent", num(index === 0 ? 100 - each * (paths.length - 1) : each)) : path)));
  };
  const hasHoldout = paths.some((path) => isObject(path) && textAt(path, "name") === "holdout");
  return (
    <fieldset className="jc-row">
      <legend>{spec.label}</legend>
      <ol className="jc-paths">
        {paths.map((path, index) =>
          isObject(path) ? (
            <li key={index} data-field-path={`${spec.name}[${index}]`}>
              <div className="jc-path-head">
                <input type="text" aria-label={t("path_name", { number: index + 1 })} maxLength={63} disabled={readOnly} value={textAt(path, "name")} onChange={({ target }) => rename(index, path, target.value)} />
                <span className="jc-percent">
                  <NumberInput label={t("path_percent", { name: textAt(path, "name") })} value={path.get("percent")} least={0} most={100} onChange={(percent) => change(index, withKey(path, "percent", percent ?? num(0)), `${activity.id}.${spec.name}.${index}.percent`)} />
                  %
                </span>
                {!readOnly && <IconButton icon="delete" label={t("path_remove", { name: textAt(path, "name") })} onClick={() => remove(index)} />}
              </div>
            </li>
          ) : (
            <li key={index}><code>{t("unreadable")}</code></li>
          ),
        )}
      </ol>
      <p className="jc-sum" data-wrong={sum !== 100 || undefined} role="status">
        {t("percent_sum", { sum: number(sum) })}
        {sum !== 100 && !readOnly && paths.length > 0 && <button type="button" className="jc-button" onClick={share}>{t("percent_share")}</button>}
      </p>
      {!readOnly && (
        <span className="jc-buttons">
          <button type="button" className="jc-button" onClick={() => put([...paths, object(["name", freeName(paths, t("path_word"))], ["percent", num(Math.max(0, Math.round((100 - sum) * 100) / 100))])])}><Icon name="add" />{t("path_add")}</button>
          {!hasHoldout && <button type="button" className="jc-button" onClick={() => put([...paths, object(["name", "holdout"], ["percent", num(Math.max(0, Math.round((100 - sum) * 100) / 100))])])}><Icon name="science" />{t("path_holdout")}</button>}
        </span>
      )}
      {spec.help && <span className="jc-help">{spec.help}</span>}
    </fieldset>
  );
}
